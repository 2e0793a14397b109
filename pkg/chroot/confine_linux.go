// SPDX-License-Identifier: MPL-2.0

package chroot

import (
	"fmt"
	"os"

	"github.com/carosio/carosbuild/pkg/callfilter"
	"github.com/carosio/carosbuild/pkg/sandbox"
	"golang.org/x/sys/unix"
)

// kept are the capabilities of the superuser in a step: Docker's default ones without
// CAP_SYS_CHROOT, which allows a process to leave its root, and CAP_MKNOD, which gives access
// to disks, and has no effect in user namespaces, either.
var kept = []int{
	unix.CAP_AUDIT_WRITE, unix.CAP_CHOWN, unix.CAP_DAC_OVERRIDE, unix.CAP_FOWNER, unix.CAP_FSETID, unix.CAP_KILL,
	unix.CAP_NET_BIND_SERVICE, unix.CAP_NET_RAW, unix.CAP_SETFCAP, unix.CAP_SETGID, unix.CAP_SETPCAP, unix.CAP_SETUID,
}

// confine restricts the programs that this thread executes; the thread itself keeps its
// capabilities.
func (r *request) confine() error {
	admin, err := dropCapabilities()
	if err != nil {
		return fmt.Errorf("capabilities: %w", err)
	}
	// A filter would need no_new_privs then, with which set-group-ID programs would give files
	// the wrong groups. The container has a filter of its own.
	if !admin && r.Network == sandbox.HostNetwork {
		return nil
	}
	if !admin {
		if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
			return fmt.Errorf("no_new_privs: %w", err)
		}
	}
	allowed, err := sandbox.AllowedCalls()
	if err != nil {
		return err
	}
	return callfilter.Filter{
		Allowed: allowed, Denied: sandbox.DeniedCalls(), Network: r.Network, Families: []uint32{unix.AF_UNIX},
		Protected: append(r.Protected, os.Getpid(), -unix.Getpgrp()),
	}.Install()
}

// dropCapabilities drops all capabilities but the kept ones for programs that this thread
// executes, and reports whether the thread has CAP_SYS_ADMIN.
func dropCapabilities() (admin bool, err error) {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData // capabilities 0 to 31, and the rest
	if err := unix.Capget(&header, &data[0]); err != nil {
		return false, err
	}
	for i := range data {
		data[i].Inheritable = 0
	}
	if err := unix.Capset(&header, &data[0]); err != nil {
		return false, err
	}
	keep := uint64(0)
	for _, c := range kept {
		keep |= 1 << c
	}
	for c := range 64 {
		has, err := unix.PrctlRetInt(unix.PR_CAPBSET_READ, uintptr(c), 0, 0, 0)
		if err != nil { // beyond the kernel's last one
			break
		}
		if has == 1 && keep&(1<<c) == 0 {
			if err := unix.Prctl(unix.PR_CAPBSET_DROP, uintptr(c), 0, 0, 0); err != nil {
				return false, fmt.Errorf("drop capability %d: %w", c, err)
			}
		}
	}
	return data[0].Effective&(1<<unix.CAP_SYS_ADMIN) != 0, nil
}
