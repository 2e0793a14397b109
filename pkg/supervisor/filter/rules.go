// SPDX-License-Identifier: MPL-2.0

package filter

import "slices"

// Errors that a program answers with, from the kernel's asm-generic/errno.h.
const (
	eperm        = 1
	enosys       = 38
	eafnosupport = 97
)

// What the arguments of a call are compared with, from the kernel's uapi headers.
const (
	openCreates    = 0o100 | 0o20000000 // O_CREAT, __O_TMPFILE
	rlimitRTTime   = 15
	sockcallBind   = 2
	ioctlTIOCSTI   = 0x5412
	ioctlTIOCLINUX = 0x541c
	cloneNewNS     = 0x00020000 | 0x02000000 | 0x04000000 | 0x08000000 | 0x10000000 | 0x20000000 | 0x40000000
)

// The families of sockets, linux/socket.h.
const (
	afUnix    = 1
	afInet    = 2
	afInet6   = 10
	afNetlink = 16
	afPacket  = 17
	afVsock   = 40
	afMax     = 64 // more than the kernel has
)

// prctl(2): PR_GET_KEEPCAPS, PR_SET_KEEPCAPS, PR_CAPBSET_DROP.
var prctlNotified = []uint32{7, 8, 24}

// PR_SET_SECUREBITS takes rules of root away that the supervisor has no notion of.
var prctlRefused = []uint32{28}

// always are the calls that the supervisor sees whatever their arguments. What is called
// often comes first: the program looks at one number after the other.
var always = []string{
	"newfstatat", "fstat", "stat", "lstat", "statx", "stat64", "lstat64", "fstat64", "fstatat64",
	"getuid", "geteuid", "getgid", "getegid", "execve", "execveat",
	"getxattr", "lgetxattr", "fgetxattr", "listxattr", "llistxattr", "flistxattr",
	"mkdir", "mkdirat", "chmod", "fchmod", "fchmodat", "fchmodat2",
	"chown", "lchown", "fchown", "fchownat", "symlink", "symlinkat", "bind", "creat", "mknod", "mknodat",
	"setxattr", "lsetxattr", "fsetxattr", "removexattr", "lremovexattr", "fremovexattr",
	"setxattrat", "getxattrat", "listxattrat", "removexattrat",
	"setuid", "setgid", "setreuid", "setregid", "setresuid", "setresgid", "setfsuid", "setfsgid", "setgroups",
	"getresuid", "getresgid", "getgroups", "capget", "capset", "chroot",
	"chown16", "lchown16", "fchown16",
	"setuid16", "setgid16", "setreuid16", "setregid16", "setresuid16", "setresgid16", "setfsuid16", "setfsgid16", "setgroups16",
	"getuid16", "geteuid16", "getgid16", "getegid16", "getresuid16", "getresgid16", "getgroups16",
}

// missing are the calls that the step's kernel does not have: libraries fall back to those
// that can be looked at.
var missing = []string{
	"openat2", "io_uring_setup", "io_uring_enter", "io_uring_register", "clone3", "file_setattr",
	"oldstat", "oldlstat", "oldfstat",
}

// denied are the system calls that a container with Docker's default capabilities is
// refused.
var denied = []string{
	"acct", "add_key", "bpf", "clock_adjtime", "clock_adjtime64", "clock_settime", "clock_settime64", "create_module",
	"delete_module", "fanotify_init", "finit_module", "fsconfig", "fsmount", "fsopen", "fspick", "get_kernel_syms",
	"init_module", "ioperm", "iopl", "kcmp", "kexec_file_load", "kexec_load", "keyctl", "lookup_dcookie", "mount",
	"mount_setattr", "move_mount", "nfsservctl", "open_by_handle_at", "open_tree", "open_tree_attr", "perf_event_open",
	"pivot_root", "query_module", "quotactl", "quotactl_fd", "reboot", "request_key", "setns", "settimeofday", "stime",
	"swapoff", "swapon", "syslog", "umount", "umount2", "unshare", "uselib", "userfaultfd", "vhangup", "vm86", "vm86old",
}

// rules are what becomes of the calls of a table, in the order of the program.
func rules(t Table, o Options) []rule {
	var rs []rule
	add := func(name string, body ...instruction) {
		if nr, ok := t[name]; ok {
			rs = append(rs, rule{nr, body})
		}
	}
	for _, name := range always {
		add(name, ret(notify))
	}
	for _, name := range []string{"stat", "lstat", "fstat"} {
		if _, old := t["stat64"]; old { // of 32-bit architectures: too narrow for an inode
			rs = drop(rs, t, name)
			add(name, ret(fail(enosys)))
		}
	}
	add("open", ifBits(1, openCreates, notify)...)
	add("openat", ifBits(2, openCreates, notify)...)
	add("prctl", append(ifOneOf(0, prctlNotified, notify), ifOneOf(0, prctlRefused, fail(eperm))...)...)
	for _, name := range []string{"setrlimit", "getrlimit", "ugetrlimit"} {
		add(name, ifOneOf(0, []uint32{rlimitRTTime}, notify)...)
	}
	add("prlimit64", ifOneOf(1, []uint32{rlimitRTTime}, notify)...)
	add("ioctl", ifOneOf(1, []uint32{ioctlTIOCSTI, ioctlTIOCLINUX}, fail(eperm))...)
	add("clone", ifBits(0, cloneNewNS, fail(eperm))...)
	add("socket", ifOneOf(0, families(o), fail(eafnosupport))...)
	if o.NoNetwork {
		// Its arguments are out of sight; libraries fall back to socket(2).
		add("socketcall", ret(fail(enosys)))
	} else {
		add("socketcall", ifOneOf(0, []uint32{sockcallBind}, notify)...)
	}
	for _, name := range missing {
		add(name, ret(fail(enosys)))
	}
	for _, name := range denied {
		add(name, ret(fail(eperm)))
	}
	return rs
}

// drop takes the rule of a call out.
func drop(rs []rule, t Table, name string) []rule {
	out := rs[:0:0]
	for _, r := range rs {
		if r.nr != t[name] {
			out = append(out, r)
		}
	}
	return out
}

// families are the kinds of sockets that lead out of the step: AF_VSOCK leads to the
// hypervisor whatever the network namespace, and without a network so may all that a
// network namespace does not confine.
func families(o Options) []uint32 {
	if !o.NoNetwork {
		return []uint32{afVsock}
	}
	var fs []uint32
	for f := uint32(0); f < afMax; f++ {
		switch f {
		case afUnix, afInet, afInet6, afNetlink, afPacket:
		default:
			fs = append(fs, f)
		}
	}
	return fs
}

// Notified are the calls that a program may hand over.
func Notified() []string {
	return append(slices.Clone(always), "open", "openat", "prctl", "setrlimit", "getrlimit", "ugetrlimit", "prlimit64", "socketcall")
}
