// SPDX-License-Identifier: MPL-2.0

package rung

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/carosio/carosbuild/pkg/remedy"
)

// A machine has half of the memory that is free, but never too little to start or more than
// steps need.
func TestMemoryOf(t *testing.T) {
	for free, want := range map[int64]int64{100 << 20: 256 << 20, 1 << 30: 512 << 20, 64 << 30: 2 << 30} {
		if got := memoryOf(free); got != want {
			t.Errorf("of %d MiB: %d MiB, want %d", free>>20, got>>20, want>>20)
		}
	}
}

// Where there is no QEMU, or one that does not start, the rung refuses with a remedy.
func TestTryMachine(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("PATH", dir)
	err := tryMachine(t.Context(), "")
	if !remedy.Is(err) {
		t.Errorf("without QEMU: %v", err)
	}
	for _, name := range []string{"qemu-system-x86_64", "qemu-system-aarch64"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\necho qemu: broken >&2; exit 1\n"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := tryMachine(t.Context(), ""); !remedy.Is(err) {
		t.Errorf("with one that is broken: %v", err)
	}
	for _, name := range []string{"qemu-system-x86_64", "qemu-system-aarch64"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\n"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := tryMachine(t.Context(), ""); err != nil {
		t.Error(err)
	}
	if err := tryMachine(t.Context(), filepath.Join(dir, "none.deb")); !remedy.Is(err) {
		t.Errorf("with a kernel that there is not: %v", err)
	}
}
