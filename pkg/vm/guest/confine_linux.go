// SPDX-License-Identifier: MPL-2.0

package guest

import (
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

// capabilities are Docker's default ones, as on the other rungs.
func capabilities() []uint {
	return []uint{
		unix.CAP_CHOWN, unix.CAP_DAC_OVERRIDE, unix.CAP_FSETID, unix.CAP_FOWNER, unix.CAP_MKNOD, unix.CAP_NET_RAW, unix.CAP_SETGID,
		unix.CAP_SETUID, unix.CAP_SETFCAP, unix.CAP_SETPCAP, unix.CAP_NET_BIND_SERVICE, unix.CAP_SYS_CHROOT, unix.CAP_KILL, unix.CAP_AUDIT_WRITE,
	}
}

// confine drops all other capabilities from what the command can have, and filters its
// system calls.
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

// Of seccomp(2): where a filter finds the call's number and its first argument.
const (
	atNumber   = 0
	atArch     = 4
	atArgument = 16

	retAllow = 0x7fff0000
	retErrno = 0x00050000
)

// filter has the kernel answer some calls by itself, see program.
func filter() error {
	prog := program(nativeCalls())
	p := unix.SockFprog{Len: uint16(len(prog)), Filter: &prog[0]}
	if _, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, 0, uintptr(unsafe.Pointer(&p))); errno != 0 {
		return fmt.Errorf("filter of system calls: %w", errno)
	}
	return nil
}

// program has all calls that make a disk durable do nothing: the machine is gone when it
// fails, and its disk is read after it has been unmounted. And it refuses packet sockets, by
// which a command could reach the addresses that connect has closed.
func program(c calls) []unix.SockFilter {
	load := func(at uint32) unix.SockFilter {
		return unix.SockFilter{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: at}
	}
	equal := func(k uint32, yes, no uint8) unix.SockFilter {
		return unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: k, Jt: yes, Jf: no}
	}
	ret := func(k uint32) unix.SockFilter { return unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: k} }
	if c.arch == 0 {
		return []unix.SockFilter{ret(retAllow)}
	}
	prog := []unix.SockFilter{load(atArch), equal(c.arch, 1, 0), ret(retAllow), load(atNumber)}
	for i, n := range c.durable { // to the last but one
		prog = append(prog, equal(n, uint8(len(c.durable)-1-i+4), 0))
	}
	return append(prog,
		equal(c.socket, 0, 2), load(atArgument), equal(unix.AF_PACKET, 2, 0),
		ret(retAllow), ret(retErrno), ret(retErrno|uint32(unix.EPERM)))
}

// calls are the architecture's number for filters, 0 where nothing is filtered, and the
// numbers of the calls that are.
type calls struct {
	arch, socket uint32
	durable      []uint32
}
