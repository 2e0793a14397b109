// SPDX-License-Identifier: MPL-2.0

package rung

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/carosio/carosbuild/pkg/remedy"
	"github.com/carosio/carosbuild/pkg/vm"
)

// Machines share half of the free memory, but none has too little to start or more than steps
// need; if that is too much for all jobs, fewer run at a time.
func TestMemoryOf(t *testing.T) {
	const mib = 1 << 20
	for _, c := range []struct {
		free   int64
		jobs   int
		step   int64
		memory int64
		most   int
	}{
		{free: 100, jobs: 1, memory: 256, most: 1},
		{free: 100, jobs: 8, memory: 256, most: 1},
		{free: 1024, jobs: 1, memory: 512, most: 1},
		{free: 1024, jobs: 2, memory: 256, most: 2},
		{free: 1024, jobs: 8, memory: 256, most: 2},
		{free: 65536, jobs: 4, memory: 2048, most: 4},
		{free: 65536, jobs: 0, memory: 2048, most: 1},
		{free: 16384, jobs: 4, step: 4096, memory: 4192, most: 1},
		{free: 16384, jobs: 4, step: 1, memory: 2048, most: 4},
		{free: 1024, jobs: 1, step: 4096, memory: 512, most: 1},
	} {
		memory, most := memoryOf(c.free*mib, c.jobs, c.step*mib)
		if memory != c.memory*mib || most != c.most {
			t.Errorf("of %d MiB for %d jobs, steps of %d: %d MiB, %d at a time, want %d, %d", c.free, c.jobs, c.step, memory/mib, most, c.memory, c.most)
		}
	}
}

// Without a QEMU that starts, the rung refuses with a remedy.
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

// Steps in machines reach the password relay at a different address.
func TestReach(t *testing.T) {
	for address, want := range map[string]string{
		"http://carosbuild:word@127.0.0.1:12345": "http://carosbuild:word@10.0.2.2:12345",
		"http://127.0.0.1":                       "http://127.0.0.1", // every relay has a port
		"http://127.0.0.1:123456":                "http://127.0.0.1:123456",
	} {
		if got := reach(&vm.Sandbox{}, address); got != want {
			t.Errorf("%s: %s, want %s", address, got, want)
		}
	}
}
