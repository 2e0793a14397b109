// SPDX-License-Identifier: MPL-2.0

package sandbox

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/moby/profiles/seccomp"
)

// Every call that the profile knows is allowed, denied or filtered by its arguments.
func TestCallsOfTheProfile(t *testing.T) {
	allowed, err := AllowedCalls()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"read", "execve", "chroot", "fchmodat2", "ptrace", "getxattr"} {
		if !slices.Contains(allowed, name) {
			t.Errorf("%s is not allowed", name)
		}
	}
	looked := []string{"clone", "clone3", "socket", "personality"}
	for _, name := range slices.Concat(DeniedCalls(), looked) {
		if slices.Contains(allowed, name) {
			t.Errorf("%s is allowed", name)
		}
	}
	missing := map[string]bool{} // not on this architecture, or harmless
	for _, name := range []string{
		"arch_prctl", "modify_ldt", "arm_fadvise64_64", "arm_sync_file_range", "sync_file_range2", "breakpoint", "cacheflush", "set_tls", "swapcontext",
		"riscv_flush_icache", "s390_pci_mmio_read", "s390_pci_mmio_write", "s390_runtime_instr", "lsm_get_self_attr", "lsm_list_modules", "lsm_set_self_attr",
	} {
		missing[name] = true
	}
	for _, rule := range seccomp.DefaultProfile().Syscalls {
		for _, name := range rule.Names {
			if !slices.Contains(allowed, name) && !slices.Contains(DeniedCalls(), name) && !slices.Contains(looked, name) && !missing[name] {
				t.Errorf("nobody has said what becomes of %s", name)
			}
		}
	}
}

func TestRanges(t *testing.T) {
	got := Ranges([]string{"e", "a", "b", "none", "d", "f"}, map[string]int{"a": 1, "b": 0, "c": 2, "d": 7, "e": 9, "f": 8})
	if diff := cmp.Diff(got, []Range{{0, 1}, {7, 9}}); diff != "" {
		t.Error(diff)
	}
	if got := Ranges(nil, map[string]int{"a": 1}); got != nil {
		t.Errorf("got %v", got)
	}
}

func TestFamilies(t *testing.T) {
	for _, tt := range []struct {
		network Network
		family  uint32
		refused bool
	}{
		{HostNetwork, afInet, false},
		{HostNetwork, afVsock, true},
		{HostNetwork, afAlg, true},
		{NoNetwork, afInet, false},
		{NoNetwork, 31, true},
		{NoNetwork, afVsock, true},
		{NoNetwork, afPacket, false},
		{ClosedNetwork, afPacket, true},
		{ClosedNetwork, afNetlink, false},
		{"another", 31, true},
	} {
		refused := slices.Contains(RefusedFamilies(tt.network, ConfinedFamilies()...), tt.family)
		if refused != tt.refused {
			t.Errorf("network %s, family %d: refused %v", tt.network, tt.family, refused)
		}
	}
}
