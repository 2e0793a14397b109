// SPDX-License-Identifier: MPL-2.0

package guest

import (
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/carosio/carosbuild/pkg/sandbox"
)

// capabilities are Docker's default capabilities, as on the other rungs.
func capabilities() []uint {
	return []uint{
		unix.CAP_CHOWN, unix.CAP_DAC_OVERRIDE, unix.CAP_FSETID, unix.CAP_FOWNER, unix.CAP_MKNOD, unix.CAP_NET_RAW, unix.CAP_SETGID,
		unix.CAP_SETUID, unix.CAP_SETFCAP, unix.CAP_SETPCAP, unix.CAP_NET_BIND_SERVICE, unix.CAP_SYS_CHROOT, unix.CAP_KILL, unix.CAP_AUDIT_WRITE,
	}
}

// confine drops all other capabilities from the bounding set, and filters system calls.
func confine() error {
	keep := uint64(0)
	for _, c := range capabilities() {
		keep |= 1 << c
	}
	for c := range uintptr(64) {
		if keep>>c&1 != 0 {
			continue
		}
		if err := unix.Prctl(unix.PR_CAPBSET_DROP, c, 0, 0, 0); err != nil && err != unix.EINVAL {
			return fmt.Errorf("drop capability %d: %w", c, err)
		}
	}
	return filter()
}

// From seccomp(2): where a filter finds the call's number and its first three arguments.
const (
	atNumber = 0
	atArch   = 4
	atFirst  = 16
	atSecond = 24
	atThird  = 32

	retAllow = 0x7fff0000
	retErrno = 0x00050000
)

// filter installs a filter that fails or skips some system calls, see program.
func filter() error {
	prog := program(nativeCalls())
	p := unix.SockFprog{Len: uint16(len(prog)), Filter: &prog[0]}
	if _, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, 0, uintptr(unsafe.Pointer(&p))); errno != 0 {
		return fmt.Errorf("filter of system calls: %w", errno)
	}
	return nil
}

// calls are an architecture's system call numbers for filters, 0 for a missing call.
type calls struct {
	arch               uint32
	socket, setsockopt uint32
	hidden             []uint32 // calls whose arguments a filter cannot see; libraries fall back to others
	durable            []uint32
}

// foreignNumbers are the numbers of x32.
const foreignNumbers = 0x40000000

// program is a filter that makes all calls that sync a disk do nothing: if the machine
// fails, it is gone, and its disk is read after unmounting. It also refuses what would reach
// the addresses that connect has closed: packet sockets, raw sockets, whose packets bring
// their own addresses, and broadcasts, which QEMU sends to the host's loopback.
func program(all []calls) []unix.SockFilter {
	if len(all) == 0 {
		return []unix.SockFilter{ret(retAllow)}
	}
	var prog []unix.SockFilter
	for _, c := range all {
		b := c.program()
		prog = append(prog, look(atArch), equal(c.arch, 0, uint8(len(b))))
		prog = append(prog, b...)
	}
	return append(prog, ret(retErrno|uint32(unix.ENOSYS)))
}

func look(at uint32) unix.SockFilter {
	return unix.SockFilter{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: at}
}

func equal(k uint32, yes, no uint8) unix.SockFilter {
	return unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: k, Jt: yes, Jf: no}
}

func ret(k uint32) unix.SockFilter { return unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: k} }

// program is the part for one architecture. It never jumps past its end.
func (c calls) program() []unix.SockFilter {
	const refused = retErrno | uint32(unix.EPERM)
	prog := []unix.SockFilter{
		look(atNumber),
		{Code: unix.BPF_JMP | unix.BPF_JGE | unix.BPF_K, K: foreignNumbers, Jf: 1},
		ret(retErrno | uint32(unix.ENOSYS)),
	}
	for _, n := range c.durable {
		prog = append(prog, equal(n, 0, 1), ret(retErrno))
	}
	for _, n := range c.hidden {
		prog = append(prog, equal(n, 0, 1), ret(retErrno|uint32(unix.ENOSYS)))
	}
	return append(prog,
		equal(c.setsockopt, 0, 5), look(atSecond), equal(unix.SOL_SOCKET, 0, 2), look(atThird), equal(unix.SO_BROADCAST, 10, 0), ret(retAllow),
		equal(c.socket, 0, 9), look(atFirst), equal(unix.AF_PACKET, 6, 0), equal(unix.AF_INET, 1, 0), equal(unix.AF_INET6, 0, 5),
		look(atSecond), unix.SockFilter{Code: unix.BPF_ALU | unix.BPF_AND | unix.BPF_K, K: sandbox.TypeMask},
		equal(unix.SOCK_RAW, 1, 0), equal(unix.SOCK_PACKET, 0, 1), ret(refused), ret(retAllow))
}
