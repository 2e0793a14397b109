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

// kernelMeta is the package that leads to the kernel.
const kernelMeta = "linux-image-cloud-" + runtime.GOARCH

func kernelBootstrap() debian.Bootstrap {
	return debian.Bootstrap{Suite: kernelSuite, Variant: "essential", Packages: []string{kernelMeta}}
}

// kernelPackage fetches the package that linux-image-cloud-ARCH leads to, verified as all
// packages are, and is its file in the cache of packages.
func kernelPackage(ctx context.Context, f *debian.Fetcher, h debian.Host, now time.Time) (string, error) {
	r, err := resolveKernel(ctx, f, h, now)
	if err != nil {
		return "", err
	}
	if err := f.Fetch(ctx, r); err != nil {
		return "", err
	}
	return filepath.Join(f.DebsDir(), r.Packages[0].Sum+".deb"), nil
}

// resolveKernel finds the package.
func resolveKernel(ctx context.Context, f *debian.Fetcher, h debian.Host, now time.Time) (*debian.Resolution, error) {
	if h.Vendored != "" { // it is to be of use later
		h.IgnoreValidUntil = true
	}
	r, err := f.Resolve(ctx, kernelBootstrap(), h, now)
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(r.Packages, func(p debian.Package) bool { return p.Name != kernelMeta && strings.HasPrefix(p.Name, "linux-image-") })
	if i < 0 {
		return nil, fmt.Errorf("%s needs no kernel package", kernelMeta)
	}
	r.Packages = r.Packages[i : i+1]
	return r, nil
}

// ExportKernel writes the kernel of virtual machines that a build would fetch into a
// directory, see debian.Fetcher.Export.
func ExportKernel(ctx context.Context, f *debian.Fetcher, h debian.Host, now time.Time, dir string) error {
	r, err := resolveKernel(ctx, f, h, now)
	if err != nil {
		return err
	}
	return f.Export(ctx, kernelBootstrap(), h, now, r, dir)
}

// kernelsDir is where kernels of packages are kept.
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
