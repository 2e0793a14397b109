// SPDX-License-Identifier: MPL-2.0

package sandbox

import "slices"

// DeniedCalls are the system calls that Docker's default profile knows, or leaves out on
// purpose, and refuses to a container with the default capabilities. They fail with EPERM, so
// that programs fall back as in any container. So does clone with one of NamespaceFlags;
// clone3, whose flags a filter cannot see, fails with ENOSYS, and glibc falls back to clone. A
// call that is neither here nor among AllowedCalls fails with ENOSYS, as on a kernel that does
// not have it.
func DeniedCalls() []string {
	return []string{
		"acct", "add_key", "bpf", "clock_settime", "clock_settime64", "create_module", "delete_module", "fanotify_init",
		"finit_module", "fsconfig", "fsmount", "fsopen", "fspick", "get_kernel_syms", "get_mempolicy", "init_module",
		"io_uring_enter", "io_uring_register", "io_uring_setup", "ioperm", "iopl", "kcmp", "kexec_file_load", "kexec_load",
		"keyctl", "lookup_dcookie", "mbind", "migrate_pages", "mount", "mount_setattr", "move_mount", "move_pages",
		"nfsservctl", "open_by_handle_at", "open_tree", "open_tree_attr", "perf_event_open", "pidfd_getfd", "pivot_root",
		"process_madvise", "query_module", "quotactl", "quotactl_fd", "reboot", "request_key", "set_mempolicy",
		"set_mempolicy_home_node", "setdomainname", "sethostname", "setns", "settimeofday", "stime", "swapoff", "swapon",
		"syslog", "umount", "umount2", "unshare", "uselib", "userfaultfd", "vhangup", "vm86", "vm86old",
	}
}

// NamespaceFlags are the flags of clone(2) that make namespaces: CLONE_NEWNS, NEWCGROUP,
// NEWUTS, NEWIPC, NEWUSER, NEWPID and NEWNET of linux/sched.h.
const NamespaceFlags = 0x00020000 | 0x02000000 | 0x04000000 | 0x08000000 | 0x10000000 | 0x20000000 | 0x40000000

// Personalities are the values that personality(2) may set, from linux/personality.h: Linux,
// UNAME26 and 32 bits, and both; the last one only queries.
func Personalities() []uint32 { return []uint32{0, 0x20000, 0x8, 0x20008, 0xffffffff} }

// Address families of linux/socket.h.
const (
	afUnix    = 1
	afInet    = 2
	afInet6   = 10
	afNetlink = 16
	afPacket  = 17
	afAlg     = 38
	afVsock   = 40
)

// families is an upper bound of the kernel's address families.
const families = 64

// ConfinedFamilies are the address families that a network namespace confines, or that do not
// use a network: unix, inet, inet6, netlink and packet.
func ConfinedFamilies() []uint32 {
	return []uint32{afUnix, afInet, afInet6, afNetlink, afPacket}
}

// RefusedFamilies are the address families of socket(2) that would reach beyond a step, and
// fail with EAFNOSUPPORT. AF_VSOCK leads to the hypervisor or to guests, whatever the network,
// and AF_ALG to the kernel's cryptography, which has had vulnerabilities. Without a network
// all are refused, except those that the sandbox confines in another way. AF_PACKET would
// bypass the routes of ClosedNetwork. The kernel looks at 32 bits of the argument, so the
// filter does, too.
func RefusedFamilies(n Network, confined ...uint32) []uint32 {
	var out []uint32
	for f := range uint32(families) {
		if f == afVsock || f == afAlg || n != HostNetwork && !slices.Contains(confined, f) || n == ClosedNetwork && f == afPacket {
			out = append(out, f)
		}
	}
	return out
}

// TypeMask has the bits of socket(2)'s second argument that are the type.
const TypeMask = 0xf

// RefusedTypes are the types of sockets of a family that would reach beyond a step: raw sockets
// bring their own headers, with any address, and type 10 makes an inet socket a packet socket.
func RefusedTypes(n Network, family uint32) []uint32 {
	if n == ClosedNetwork && (family == afInet || family == afInet6) {
		return []uint32{3, 10} // SOCK_RAW, SOCK_PACKET
	}
	return nil
}

// Range is a range of system call numbers, including both ends.
type Range struct{ First, Last uint32 }

// Ranges are the numbers of calls in an architecture's table, in ascending order. Names that
// the table lacks are left out.
func Ranges(names []string, table map[string]int) []Range {
	var numbers []uint32
	for _, name := range names {
		if n, ok := table[name]; ok {
			numbers = append(numbers, uint32(n))
		}
	}
	slices.Sort(numbers)
	var out []Range
	for _, n := range numbers {
		if last := len(out) - 1; last >= 0 && n <= out[last].Last+1 {
			out[last].Last = n
		} else {
			out = append(out, Range{n, n})
		}
	}
	return out
}
