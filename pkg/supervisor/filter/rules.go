// SPDX-License-Identifier: MPL-2.0

package filter

import (
	"slices"

	"github.com/carosio/carosbuild/pkg/sandbox"
)

// Errors in answers of a program, from the kernel's asm-generic/errno.h.
const (
	eperm        = 1
	enosys       = 38
	eafnosupport = 97
)

// Values to compare the arguments of calls with, from the kernel's uapi headers.
const (
	openCreates    = 0o100 | 0o20000000 // O_CREAT, __O_TMPFILE
	rlimitRTTime   = 15
	sockcallBind   = 2
	ioctlTIOCSTI   = 0x5412
	ioctlTIOCLINUX = 0x541c
)

// prctl(2): PR_GET_KEEPCAPS, PR_SET_KEEPCAPS, PR_CAPBSET_DROP.
var prctlNotified = []uint32{7, 8, 24}

// PR_SET_SECUREBITS changes rules for root that the supervisor does not model.
var prctlRefused = []uint32{28}

// always are the calls that the supervisor sees whatever their arguments. Frequent calls come
// first: the program compares one number after another.
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

// missing are calls that fail with ENOSYS: libraries fall back to calls whose arguments can be
// inspected.
var missing = []string{
	"openat2", "io_uring_setup", "io_uring_enter", "io_uring_register", "clone3", "file_setattr",
	"oldstat", "oldlstat", "oldfstat",
}

// rules decide the calls of a table, in the order of the program.
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
		if _, old := t["stat64"]; old { // on 32-bit architectures: too narrow for an inode
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
	add("clone", ifBits(0, sandbox.NamespaceFlags, fail(eperm))...)
	add("socket", append(ifOneOf(0, families(o), fail(eafnosupport)), types(o)...)...)
	if o.Network != sandbox.HostNetwork {
		// A filter cannot see its arguments; libraries fall back to socket(2).
		add("socketcall", ret(fail(enosys)))
	} else {
		add("socketcall", ifOneOf(0, []uint32{sockcallBind}, notify)...)
	}
	for _, name := range missing {
		add(name, ret(fail(enosys)))
	}
	for _, name := range sandbox.DeniedCalls() {
		add(name, ret(fail(eperm)))
	}
	return rs
}

// drop removes the rule for a call.
func drop(rs []rule, t Table, name string) []rule {
	out := rs[:0:0]
	for _, r := range rs {
		if r.nr != t[name] {
			out = append(out, r)
		}
	}
	return out
}

// families are the address families of sockets that reach beyond the step.
func families(o Options) []uint32 {
	return sandbox.RefusedFamilies(o.Network, sandbox.ConfinedFamilies()...)
}

// types refuses types of sockets that reach beyond the step; the family is loaded.
func types(o Options) []instruction {
	var is []instruction
	for _, f := range sandbox.ConfinedFamilies() {
		refused := sandbox.RefusedTypes(o.Network, f)
		if len(refused) == 0 {
			continue
		}
		body := []instruction{arg(1), {Code: opAnd, K: sandbox.TypeMask}}
		for _, t := range refused {
			body = append(body, instruction{Code: opEqual, K: t, Jf: 1}, ret(fail(eperm)))
		}
		is = append(is, arg(0), instruction{Code: opEqual, K: f, Jf: uint8(len(body))})
		is = append(is, body...)
	}
	return is
}

// Notified are the calls that a program may hand over.
func Notified() []string {
	return append(slices.Clone(always), "open", "openat", "prctl", "setrlimit", "getrlimit", "ugetrlimit", "prlimit64", "socketcall")
}
