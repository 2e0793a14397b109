// SPDX-License-Identifier: MPL-2.0

package doctor

import (
	_ "embed"
	"encoding/json"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// SystemCalls are what builds call besides the system calls that the default profile of
// Docker, podman and Kubernetes permits to a process without capabilities: to make
// namespaces, mount in them, and change into them, and what runc does in a container.
// Builds fail without any of them, but for chroot, which steps call, such as those of apt,
// and sethostname: steps then see the container's name.
var SystemCalls = []string{
	"clone", "unshare",
	"mount", "umount2", "mount_setattr", "fsopen", "fsconfig", "fsmount", "move_mount", "pivot_root",
	"chroot", "setns", "sethostname", "keyctl",
}

// ordinary are the system calls that the default profile permits to a process without
// capabilities, and that need no condition.
//
//go:embed ordinary.txt
var ordinary string

// Profile is a seccomp profile, as JSON, that permits SystemCalls and what the default
// profile of Docker does. It has the form of the OCI runtime specification, which
// Docker, podman and Kubernetes read.
func Profile() ([]byte, error) {
	eperm, enosys := uint(unix.EPERM), uint(unix.ENOSYS)
	p := specs.LinuxSeccomp{
		DefaultAction:   specs.ActErrno,
		DefaultErrnoRet: &eperm,
		Architectures:   []specs.Arch{specs.ArchX86_64, specs.ArchX86, specs.ArchX32, specs.ArchAARCH64, specs.ArchARM},
		Syscalls:        []specs.LinuxSyscall{{Names: append(strings.Fields(ordinary), SystemCalls...), Action: specs.ActAllow}},
	}
	// Personalities that programs set; others could turn protections off.
	for _, v := range []uint64{0, 8, 0x20000, 0x20008, 0xffffffff} {
		p.Syscalls = append(p.Syscalls, specs.LinuxSyscall{Names: []string{"personality"}, Action: specs.ActAllow, Args: []specs.LinuxSeccompArg{{Index: 0, Value: v, Op: specs.OpEqualTo}}})
	}
	// Sockets of all families but those of the kernel's cryptography and the hypervisor.
	for _, arg := range []specs.LinuxSeccompArg{{Value: unix.AF_ALG, Op: specs.OpLessThan}, {Value: unix.AF_ALG + 1, Op: specs.OpEqualTo}, {Value: unix.AF_VSOCK, Op: specs.OpGreaterThan}} {
		p.Syscalls = append(p.Syscalls, specs.LinuxSyscall{Names: []string{"socket"}, Action: specs.ActAllow, Args: []specs.LinuxSeccompArg{arg}})
	}
	// The C library falls back to clone.
	p.Syscalls = append(p.Syscalls, specs.LinuxSyscall{Names: []string{"clone3"}, Action: specs.ActErrno, ErrnoRet: &enosys})
	return json.MarshalIndent(p, "", "  ")
}
