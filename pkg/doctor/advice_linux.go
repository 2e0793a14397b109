// SPDX-License-Identifier: MPL-2.0

package doctor

import (
	"slices"

	"golang.org/x/sys/unix"
)

// Change is one thing that is to be different.
type Change string

const (
	PermitCalls  Change = "seccomp"        // the container's seccomp profile permits SystemCalls
	NewPrivs     Change = "new-privileges" // no_new_privs is not set
	IDCaps       Change = "id-caps"        // SETUID and SETGID are in the bounding set
	RootCaps     Change = "root-caps"      // uid 0 with the default capabilities of a container
	OrdinaryUser Change = "ordinary-user"  // another uid than 0
	AddAccount   Change = "account"        // /etc/passwd has the uid
	AddRanges    Change = "id-ranges"      // /etc/subuid and /etc/subgid list the account
	AddTools     Change = "id-tools"       // newuidmap and newgidmap are installed
	CapTools     Change = "tool-caps"      // they have file capabilities, and are not set-user-ID
	AddRuntime   Change = "runtime"        // runc is installed
	AddQEMU      Change = "qemu"
	MoveStore    Change = "store"  // what is kept has a place that can be written and where programs run
	PermitUserNS Change = "sysctl" // the kernel's settings permit user namespaces
)

// Rungs that Sufficient knows, by their names in the ladder.
const (
	RungUserns   = "userns"
	RungSingleID = "single-id"
	RungChroot   = "chroot"
	RungVM       = "vm"
)

// Sufficient are all changes after which steps can run in the way that is named, as far
// as what was tried tells. It is empty where nothing is found to be in the way, and
// false for a way that is not known, or that no change opens.
func Sufficient(rung string, p *Process, a Abilities) ([]Change, bool) {
	var changes []Change
	switch rung {
	case RungUserns:
		changes = forRanges(p, a)
	case RungSingleID:
		supervised := a.Of(Notify)
		if supervised.State == Refused && len(supervised.Needs) == 0 {
			return nil, false // nothing helps: the kernel is old, or this process has a supervisor itself
		}
		changes = forOneID(p, a)
	case RungChroot:
		if p.UID != 0 || !p.Can(chrootCaps...) {
			changes = append(changes, RootCaps)
		}
	case RungVM:
		if !a.works(QEMU) {
			changes = append(changes, AddQEMU)
		}
	default:
		return nil, false
	}
	if a.Of(Store).State == Refused || a.Of(Home).State == Refused {
		changes = append(changes, MoveStore)
	}
	return changes, true
}

// namespaceCalls are what a user namespace wants, whatever its ids.
func namespaceCalls(p *Process, a Abilities) []Change {
	if a.Of(UserNamespace).State == Refused {
		if p.Place == Host && !p.Filtered {
			return []Change{PermitUserNS}
		}
		return []Change{PermitCalls}
	}
	for _, n := range []string{Mounts, Tmpfs, Bind, PivotRoot} {
		if a.Of(n).State == Refused {
			if p.Filtered {
				return []Change{PermitCalls}
			}
			return []Change{PermitUserNS}
		}
	}
	return nil
}

// forRanges are the changes for a user namespace with ranges of ids.
func forRanges(p *Process, a Abilities) []Change {
	changes := namespaceCalls(p, a)
	if len(changes) == 0 && p.Filtered && a.Of(FreshProc).State != Works && a.Of(Setns).State == Refused {
		changes = []Change{PermitCalls}
	}
	if p.UID == 0 {
		if p.UID != 0 || !p.Can(rootCaps...) {
			changes = append(changes, RootCaps)
		}
		if p.NoNewPrivs { // the inner program gains its capabilities by exec
			changes = append(changes, NewPrivs)
		}
	} else {
		changes = append(changes, forTools(a)...)
	}
	changes = append(changes, a.Of(Runtime).Needs...)
	return changes
}

// forTools are the changes after which an ordinary account can map ranges of ids.
func forTools(a Abilities) []Change {
	var changes []Change
	if !a.works(IDRanges) {
		changes = append(changes, AddRanges)
	}
	return append(changes, a.Of(IDTools).Needs...)
}

// forOneID are the changes for a user namespace with one id.
func forOneID(p *Process, a Abilities) []Change {
	changes := namespaceCalls(p, a)
	if p.UID == 0 && !p.Can(unix.CAP_SETFCAP) {
		changes = append(changes, OrdinaryUser)
	}
	for _, c := range a.Of(Notify).Needs {
		if !slices.Contains(changes, c) {
			changes = append(changes, c)
		}
	}
	return changes
}
