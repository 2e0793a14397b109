// SPDX-License-Identifier: MPL-2.0

package doctor

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

func TestOpenFaults(t *testing.T) {
	for version, want := range map[string]int{
		"1.1.5+ds1": 2, "1.1.11": 2, "1.1.12": 1, "1.1.15": 1, "1.2.7": 1, "1.2.8": 0, "1.3.2": 1, "1.3.3": 0,
		"1.4.0-rc.2": 1, "1.4.0-rc.3": 0, "1.4.0": 0, "1.5.2": 0, "1.0.0~rc93+ds1": 2, "2.0.0": 0,
	} {
		if got := openFaults("runc", version); len(got) != want {
			t.Errorf("%s: %d faults, want %d: %v", version, len(got), want, got)
		}
	}
	if got := openFaults("crun", "1.0"); got != nil {
		t.Errorf("crun: %v", got)
	}
}

func TestRuntimeVersion(t *testing.T) {
	for out, want := range map[string]string{
		"runc version 1.1.5+ds1\ncommit: x\nspec: 1.0.2-dev\n": "runc 1.1.5+ds1",
		"crun version 1.8.1\n":                                 "crun 1.8.1",
		"":                                                     " ",
		"usage: sh\n":                                          " ",
	} {
		p, v := runtimeVersion(out)
		if got := p + " " + v; got != want {
			t.Errorf("%q: %q, want %q", out, got, want)
		}
	}
}

func TestDescribeFaults(t *testing.T) {
	older := func(a, b string) bool { return a < b }
	open := openFaults("runc", "1.1.5")[:1]
	for _, tt := range []struct{ pkg, code, want string }{
		{"", "bookworm", "no package has it"},
		{"1.1.5+ds1-1+deb12u1", "bookworm", "known faults are fixed in package version 1.1.5+ds1-1+deb12u1"},
		{"1.1.5+ds1-1", "bookworm", "fixed in 1.1.12, and in package version 1.1.5+ds1-1+deb12u1: this is 1.1.5+ds1-1"},
		{"1.1.5-9.el9", "", "cannot tell whether package version 1.1.5-9.el9 has the fix"},
	} {
		if got := describeFaults(open, tt.pkg, tt.code, older); !strings.Contains(got, tt.want) {
			t.Errorf("package %q: %q, want %q", tt.pkg, got, tt.want)
		}
	}
}

// The profile has each system call once, and all of the advice.
func TestProfile(t *testing.T) {
	data, err := Profile()
	if err != nil {
		t.Fatal(err)
	}
	var p specs.LinuxSeccomp
	if err := json.Unmarshal(data, &p); err != nil {
		t.Fatal(err)
	}
	if p.DefaultAction != specs.ActErrno || p.DefaultErrnoRet == nil || *p.DefaultErrnoRet != 1 {
		t.Errorf("what is not named: %s, %v", p.DefaultAction, p.DefaultErrnoRet)
	}
	names := p.Syscalls[0].Names
	for _, n := range append([]string{"read", "openat2", "execve", "chown"}, SystemCalls...) {
		if !slices.Contains(names, n) {
			t.Errorf("%s is not permitted", n)
		}
	}
	for _, n := range []string{"bpf", "init_module", "kexec_load", "reboot", "swapon", "socket", "personality", "clone3"} {
		if slices.Contains(names, n) {
			t.Errorf("%s is permitted without a condition", n)
		}
	}
	sorted := slices.Sorted(slices.Values(names))
	if len(slices.Compact(sorted)) != len(names) {
		t.Error("a system call is listed twice")
	}
}
