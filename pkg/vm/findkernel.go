// SPDX-License-Identifier: MPL-2.0

package vm

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/carosio/carosbuild/pkg/debfile"
	"github.com/carosio/carosbuild/pkg/evict"
)

// LookForKernel says which kernel KernelOfHost would use, without reading its modules.
func LookForKernel(root string) (version string, err error) {
	for _, version := range slices.Backward(hostVersions(root)) {
		f, err := os.Open(filepath.Join(root, "boot/vmlinuz-"+version))
		if err != nil {
			continue // only root can read Ubuntu's kernels
		}
		f.Close()
		if st, err := os.Stat(filepath.Join(root, "lib/modules", version)); err == nil && st.IsDir() {
			return version, nil
		}
	}
	return "", fmt.Errorf("%w in %s", ErrNoKernel, filepath.Join(root, "boot"))
}

// hostVersions are the versions of the kernels below a root directory, in ascending order.
func hostVersions(root string) []string {
	images, _ := filepath.Glob(filepath.Join(root, "boot/vmlinuz-*"))
	for i, name := range images {
		images[i] = strings.TrimPrefix(filepath.Base(name), "vmlinuz-")
	}
	slices.Sort(images)
	return images
}

// LookAtPackage fails unless a file is a package that KernelOfPackage could read.
func LookAtPackage(name string) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return err
	}
	if _, err := debfile.OpenDeb(f, st.Size(), debfile.DefaultLimits()); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

// LookInCache says which file KernelOfCache would read; fs.ErrNotExist if there is none.
func LookInCache(dir string) (name string, err error) {
	names, err := filepath.Glob(filepath.Join(dir, "kernel-*.tar"))
	if err != nil {
		return "", err
	}
	var latest fs.FileInfo
	for _, n := range names {
		if st, err := os.Stat(n); err == nil && (latest == nil || st.ModTime().After(latest.ModTime())) {
			name, latest = n, st
		}
	}
	if latest == nil {
		return "", fs.ErrNotExist
	}
	return name, nil
}

// KernelUnits are the kernels in the KernelDirs below dir, each to be removed on its own.
func KernelUnits(dir string) ([]evict.Unit, error) {
	dirs, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil {
		return nil, err
	}
	return evict.Units(dirs...)
}
