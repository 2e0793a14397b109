// SPDX-License-Identifier: MPL-2.0

package rung

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/carosio/carosbuild/pkg/vm"
)

// place makes files, with their directories.
func place(t *testing.T, dir string, names ...string) {
	t.Helper()
	for _, n := range names {
		name := filepath.Join(dir, n)
		if err := errors.Join(os.MkdirAll(filepath.Dir(name), 0o755), os.WriteFile(name, []byte("x"), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
}

// Without downloading one, kernelAtHand says which kernel will be used: the named one, the
// host's, one in the cache, or else the mirror's.
func TestKernelAtHand(t *testing.T) {
	host, cache := t.TempDir(), t.TempDir()
	mirror := func() (string, error) { return "http://mirror", nil }
	var got []string
	look := func(h Host) { got = append(got, kernelAtHand(h, host)) }
	look(Host{Cache: cache, Mirror: mirror})
	look(Host{})
	kept := filepath.Join(vm.KernelDir(kernelsDir(cache)), "kernel-1.tar")
	place(t, "/", kept)
	look(Host{Cache: cache, Mirror: mirror})
	place(t, host, "boot/vmlinuz-6.1", "boot/vmlinuz-6.2", "lib/modules/6.1/modules.dep")
	look(Host{Cache: cache, Mirror: mirror})
	look(Host{Cache: cache, Mirror: mirror, Kernel: "k.deb"})
	want := []string{
		"Debian's kernel, which the first build fetches from http://mirror", "Debian's kernel, which the first build fetches from Debian's mirror",
		"Debian's kernel, fetched earlier", "this machine's kernel 6.1", "the kernel of k.deb",
	}
	if diff := cmp.Diff(got, want); diff != "" {
		t.Errorf("kernels (-got +want):\n%s", diff)
	}
	units, err := CacheUnits(cache)
	if err != nil || len(units) != 1 || units[0].Path != kept {
		t.Errorf("to be removed: %+v, %v", units, err)
	}
	if units, err := CacheUnits(t.TempDir()); err != nil || len(units) > 0 {
		t.Errorf("of an empty cache: %+v, %v", units, err)
	}
	for name, fine := range map[string]bool{host: true, t.TempDir(): false, kept: false, filepath.Join(host, "none"): false} {
		if err := lookAtKernel(name); (err == nil) != fine {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Without Packages, nothing is downloaded.
func TestNotFetched(t *testing.T) {
	if _, err := fetchKernel(t.Context(), Setting{}); !errors.Is(err, ErrNotFetched) {
		t.Errorf("got %v", err)
	}
}
