// SPDX-License-Identifier: MPL-2.0

package runc

import (
	"math/bits"
	"os/exec"
	"runtime"
	"slices"
	"syscall"

	"github.com/carosio/carosbuild/pkg/callfilter"
	"github.com/carosio/carosbuild/pkg/sandbox"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// Two filters confine a step, and the stricter answer counts. The first is ours: the calls that
// a step may make, and those that a runtime needs besides. It is installed before the runtime
// starts, which inherits it. The second refuses the runtime's own calls to the step, and is
// installed by the runtime. libseccomp would need 20 ms per step to compile the whole list; for
// the rest it needs hardly any time.

// ownCalls returns the calls that a runtime makes to set up a step, and that no step may
// make. libseccomp 2.5.0 knows each of them: if libseccomp does not know a call, a runtime
// drops the rule for it.
func ownCalls() []string {
	return []string{
		"bpf", "fsconfig", "fsmount", "fsopen", "fspick", "keyctl", "mount", "move_mount", "open_tree", "pivot_root", "setdomainname", "sethostname", "setns", "umount", "umount2", "unshare",
	}
}

// outer is the first filter.
func outer(n sandbox.Network) (callfilter.Filter, error) {
	allowed, err := sandbox.AllowedCalls()
	if err != nil {
		return callfilter.Filter{}, err
	}
	own := ownCalls()
	denied := slices.DeleteFunc(sandbox.DeniedCalls(), func(name string) bool { return slices.Contains(own, name) })
	return callfilter.Filter{
		Allowed: append(allowed, own...), Denied: denied, Network: n, Families: sandbox.ConfinedFamilies(), Namespaces: true,
	}, nil
}

// inner is the second filter.
func inner() *specs.LinuxSeccomp {
	var denied, missing []string
	for _, name := range ownCalls() {
		if slices.Contains(sandbox.DeniedCalls(), name) {
			denied = append(denied, name)
		} else {
			missing = append(missing, name)
		}
	}
	rules := []specs.LinuxSyscall{refuse(syscall.EPERM, denied...), refuse(syscall.ENOSYS, append(missing, "clone3")...)}
	return &specs.LinuxSeccomp{DefaultAction: specs.ActAllow, Architectures: architectures(), Syscalls: append(rules, clones()...)}
}

// architectures are those whose programs this machine's kernel runs. A call of another one
// would kill the thread that makes it; x32's fail with ENOSYS in the first filter.
func architectures() []specs.Arch {
	if runtime.GOARCH == "arm64" {
		return []specs.Arch{specs.ArchAARCH64, specs.ArchARM}
	}
	return []specs.Arch{specs.ArchX86_64, specs.ArchX86, specs.ArchX32}
}

// clones are the rules for clone: one for each flag that makes a namespace.
func clones() []specs.LinuxSyscall {
	var rules []specs.LinuxSyscall
	for left := uint32(sandbox.NamespaceFlags); left != 0; left &= left - 1 {
		bit := uint64(1) << bits.TrailingZeros32(left)
		rule := refuse(syscall.EPERM, "clone")
		rule.Args = []specs.LinuxSeccompArg{{Index: 0, Value: bit, ValueTwo: bit, Op: specs.OpMaskedEqual}}
		rules = append(rules, rule)
	}
	return rules
}

func refuse(e syscall.Errno, names ...string) specs.LinuxSyscall {
	n := uint(e)
	return specs.LinuxSyscall{Names: names, Action: specs.ActErrno, ErrnoRet: &n}
}

// start starts a runtime under a filter, which its child processes inherit.
func start(cmd *exec.Cmd, filter callfilter.Filter) error {
	started := make(chan error)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
		if err := filter.Install(); err != nil {
			started <- err
			return
		}
		started <- cmd.Start()
	}()
	return <-started
}
