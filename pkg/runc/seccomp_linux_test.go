// SPDX-License-Identifier: MPL-2.0

package runc

import (
	"runtime"
	"slices"
	"syscall"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/carosio/carosbuild/pkg/sandbox"
)

// The second filter refuses the calls that the first leaves to the runtime only, with the answer
// that every other sandbox gives.
func TestFiltersTogether(t *testing.T) {
	first, err := outer(sandbox.HostNetwork)
	if err != nil {
		t.Fatal(err)
	}
	allowed, err := sandbox.AllowedCalls()
	if err != nil {
		t.Fatal(err)
	}
	second := inner()
	if second.DefaultAction != specs.ActAllow {
		t.Errorf("the second filter's answer to all others is %s", second.DefaultAction)
	}
	answers := map[string]syscall.Errno{}
	for _, rule := range second.Syscalls {
		for _, name := range rule.Names {
			if len(rule.Args) == 0 {
				answers[name] = syscall.Errno(*rule.ErrnoRet)
			}
		}
	}
	if len(first.Allowed) < len(allowed)+len(ownCalls()) {
		t.Fatalf("the first filter allows %d calls", len(first.Allowed))
	}
	for _, name := range first.Allowed {
		got, refused := answers[name]
		switch {
		case slices.Contains(allowed, name) && refused:
			t.Errorf("%s: refused", name)
		case slices.Contains(allowed, name):
		case slices.Contains(sandbox.DeniedCalls(), name) && got != syscall.EPERM:
			t.Errorf("%s: %v, want %v", name, got, syscall.EPERM)
		case !slices.Contains(sandbox.DeniedCalls(), name) && got != syscall.ENOSYS:
			t.Errorf("%s: %v, want %v", name, got, syscall.ENOSYS)
		}
	}
	for _, name := range sandbox.DeniedCalls() {
		if !slices.Contains(first.Denied, name) && answers[name] != syscall.EPERM {
			t.Errorf("%s is refused by neither", name)
		}
	}
	// Without x32, its calls would kill a thread, and the step would hang.
	if runtime.GOARCH == "amd64" && !slices.Contains(second.Architectures, specs.ArchX32) {
		t.Errorf("the second filter is for %v", second.Architectures)
	}
	var flags uint64
	for _, rule := range second.Syscalls {
		if slices.Contains(rule.Names, "clone") && len(rule.Args) == 1 && rule.Args[0].Value == rule.Args[0].ValueTwo {
			flags |= rule.Args[0].Value
		}
	}
	if flags != sandbox.NamespaceFlags {
		t.Errorf("clone is refused with the flags %#x, want %#x", flags, uint64(sandbox.NamespaceFlags))
	}
}
