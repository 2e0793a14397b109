// SPDX-License-Identifier: MPL-2.0

package rung

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/carosio/carosbuild/pkg/evict"
	"github.com/carosio/carosbuild/pkg/source/debian"
	"github.com/carosio/carosbuild/pkg/vm"
)

// kernelPackage downloads the package that linux-image-cloud-ARCH depends on, verified like
// all packages, and returns its file in the cache of packages.
func kernelPackage(ctx context.Context, f *debian.Fetcher, h debian.Host, now time.Time) (string, error) {
	meta := "linux-image-cloud-" + runtime.GOARCH
	r, err := f.Resolve(ctx, debian.Bootstrap{Suite: kernelSuite, Variant: "essential", Packages: []string{meta}}, h, now)
	if err != nil {
		return "", err
	}
	i := slices.IndexFunc(r.Packages, func(p debian.Package) bool { return p.Name != meta && strings.HasPrefix(p.Name, "linux-image-") })
	if i < 0 {
		return "", fmt.Errorf("%s needs no kernel package", meta)
	}
	r.Packages = r.Packages[i : i+1]
	if err := f.Fetch(ctx, r); err != nil {
		return "", err
	}
	return filepath.Join(f.DebsDir(), r.Packages[0].Sum+".deb"), nil
}

// kernelsDir is the directory for kernels from packages.
func kernelsDir(cache string) string { return filepath.Join(cache, "kernels") }

// CacheUnits are the files of rungs in the directory that may be deleted between builds, each
// to be removed on its own.
func CacheUnits(cache string) ([]evict.Unit, error) { return vm.KernelUnits(kernelsDir(cache)) }

// lookAtKernel fails if the named kernel cannot be one.
func lookAtKernel(name string) error {
	st, err := os.Stat(name)
	switch {
	case err != nil:
		return err
	case st.IsDir():
		_, err = vm.LookForKernel(name)
		return err
	}
	return vm.LookAtPackage(name)
}

// kernelAtHand says which kernel findKernel will find for machines, without downloading one.
// Root is the root directory of this machine.
func kernelAtHand(h Host, root string) string {
	if h.Kernel != "" {
		return "the kernel of " + h.Kernel
	}
	if version, err := vm.LookForKernel(root); err == nil {
		return "this machine's kernel " + version
	}
	if h.Cache != "" {
		if _, err := vm.LookInCache(vm.KernelDir(kernelsDir(h.Cache))); err == nil {
			return "Debian's kernel, fetched earlier"
		}
	}
	from := "Debian's mirror"
	if h.Mirror != nil {
		if m, err := h.Mirror(); err == nil && m != "" {
			from = m
		}
	}
	return "Debian's kernel, which the first build fetches from " + from
}
