// SPDX-License-Identifier: MPL-2.0

package callfilter

import (
	"encoding/binary"
	"runtime"
	"testing"

	"github.com/carosio/carosbuild/pkg/sandbox"
	"github.com/elastic/go-seccomp-bpf/arch"
	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// answerTo is a program's answer to a call. The virtual machine loads numbers in network byte
// order.
func answerTo(t *testing.T, vm *bpf.VM, id arch.AuditArch, number uint32, args ...uint64) uint32 {
	t.Helper()
	data := make([]byte, 64)
	binary.BigEndian.PutUint32(data[offsetNumber:], number)
	binary.BigEndian.PutUint32(data[offsetArch:], uint32(id))
	for i, arg := range args {
		binary.BigEndian.PutUint32(data[offsetArgs+8*i:], uint32(arg))
		binary.BigEndian.PutUint32(data[offsetArgs+8*i+4:], uint32(arg>>32))
	}
	got, err := vm.Run(data)
	if err != nil {
		t.Fatal(err)
	}
	return uint32(got)
}

// machine is a virtual machine with a filter's program.
func machine(t *testing.T, f Filter) *bpf.VM {
	t.Helper()
	program := f.instructions()
	if raw, err := bpf.Assemble(program); err != nil || len(raw) > 4096 { // BPF_MAXINSNS
		t.Fatalf("%d instructions, %v", len(raw), err)
	}
	// The machine's answer is meant to be the length of a packet.
	vm, err := bpf.NewVM(program)
	if err != nil {
		t.Fatal(err)
	}
	return vm
}

// step is the filter for a step without a network namespace.
func step(t *testing.T, n sandbox.Network, protected ...int) Filter {
	t.Helper()
	names, err := sandbox.AllowedCalls()
	if err != nil {
		t.Fatal(err)
	}
	return Filter{Allowed: names, Denied: sandbox.DeniedCalls(), Network: n, Families: []uint32{unix.AF_UNIX}, Protected: protected}
}

func TestFilter(t *testing.T) {
	const (
		ok     = uint32(unix.SECCOMP_RET_ALLOW)
		eperm  = errno | uint32(unix.EPERM)
		enosys = errno | uint32(unix.ENOSYS)
		eafno  = errno | uint32(unix.EAFNOSUPPORT)
	)
	for _, tt := range []struct {
		name       string
		arg        uint64
		host, none uint32
	}{
		{"read", 0, ok, ok},
		{"fchmodat2", 0, ok, ok},
		{"sethostname", 0, eperm, eperm},
		{"ustat", 0, enosys, enosys}, // not in the profile
		{"personality", 8, ok, ok},
		{"personality", 0x40000, enosys, enosys},
		{"openat", 0, ok, ok},
		{"mount", 0, eperm, eperm},
		{"unshare", 0, eperm, eperm},
		{"setns", 0, eperm, eperm},
		{"open_by_handle_at", 0, eperm, eperm},
		{"io_uring_setup", 0, eperm, eperm},
		{"mount_setattr", 0, eperm, eperm},
		{"vm86old", 0, eperm, eperm},
		{"clone3", 0, enosys, enosys},
		{"clone", uint64(unix.SIGCHLD), ok, ok},
		{"clone", unix.CLONE_NEWUSER | uint64(unix.SIGCHLD), eperm, eperm},
		{"clone", unix.CLONE_NEWCGROUP, eperm, eperm},
		{"socket", unix.AF_UNIX, ok, ok},
		{"socket", unix.AF_UNIX | 1<<40, ok, ok},
		{"socket", unix.AF_INET, ok, eafno},
		{"socket", unix.AF_INET | 1<<40, ok, eafno}, // the kernel ignores it
		{"socket", unix.AF_INET6, ok, eafno},
		{"socket", unix.AF_NETLINK, ok, eafno},
		{"socket", unix.AF_PACKET, ok, eafno},
		{"socket", unix.AF_ALG, eafno, eafno},
		{"socket", unix.AF_VSOCK, eafno, eafno},
		{"socketcall", 1, enosys, enosys},
		{"kill", 1234, ok, ok},
		{"kill", 77, eperm, eperm},
		{"kill", uint64(^uint32(0)), eperm, eperm},  // -1 in 32 bits
		{"kill", ^uint64(0), eperm, eperm},          // -1 in 64 bits
		{"kill", uint64(^uint32(78)), eperm, eperm}, // -79
		{"kill", 0, ok, ok},
		{"tgkill", 77, eperm, eperm},
		{"pidfd_open", 77, eperm, eperm},
		{"prlimit64", 0, ok, ok},
		{"prlimit64", 77, eperm, eperm},
	} {
		for network, want := range map[sandbox.Network]uint32{sandbox.HostNetwork: tt.host, sandbox.NoNetwork: tt.none, "another": tt.none} {
			vm := machine(t, step(t, network, 77, -79))
			seen := false
			for _, table := range tables() {
				n, there := table.SyscallNames[tt.name]
				if !there {
					continue
				}
				seen = true
				if got := answerTo(t, vm, table.ID, uint32(n), tt.arg); got != want {
					t.Errorf("%s: %s(%#x) with network %s: answer %#x, want %#x", table.Name, tt.name, tt.arg, network, got, want)
				}
			}
			if !seen && runtime.GOARCH == "amd64" {
				t.Errorf("no table has %s", tt.name)
			}
		}
	}
}

// A call that is not in a table is refused, and every denied call has a number somewhere.
func TestFilterStrangers(t *testing.T) {
	vm := machine(t, step(t, sandbox.HostNetwork))
	const enosys = errno | uint32(unix.ENOSYS)
	if got := answerTo(t, vm, arch.S390X.ID, 0, 0); got != enosys {
		t.Errorf("another architecture: %#x", got)
	}
	if runtime.GOARCH != "amd64" {
		return
	}
	if got := answerTo(t, vm, arch.X86_64.ID, x32Bit|unix.SYS_SOCKET, 0); got != enosys {
		t.Errorf("x32: %#x", got)
	}
	for _, number := range []uint32{1000, x32Bit - 1} {
		if got := answerTo(t, vm, arch.X86_64.ID, number, 0); got != enosys {
			t.Errorf("call %d: %#x", number, got)
		}
	}
	// Without protected processes, signals are allowed.
	if got := answerTo(t, vm, arch.X86_64.ID, unix.SYS_KILL, ^uint64(0)); got != unix.SECCOMP_RET_ALLOW {
		t.Errorf("kill without protected processes: %#x", got)
	}
	for _, name := range sandbox.DeniedCalls() {
		_, a := arch.X86_64.SyscallNames[name]
		_, b := arch.I386.SyscallNames[name]
		if !a && !b {
			t.Errorf("no number for %s", name)
		}
	}
}

// With a closed network, sockets that bypass its routes are refused.
func TestFilterSockets(t *testing.T) {
	const (
		ok    = uint32(unix.SECCOMP_RET_ALLOW)
		eperm = errno | uint32(unix.EPERM)
		eafno = errno | uint32(unix.EAFNOSUPPORT)
	)
	f := step(t, sandbox.ClosedNetwork)
	f.Families = sandbox.ConfinedFamilies()
	vm := machine(t, f)
	for _, tt := range []struct {
		family, kind uint64
		want         uint32
	}{
		{unix.AF_INET, unix.SOCK_STREAM | unix.SOCK_CLOEXEC, ok},
		{unix.AF_INET6, unix.SOCK_DGRAM, ok},
		{unix.AF_INET, unix.SOCK_RAW, eperm},
		{unix.AF_INET, unix.SOCK_RAW | unix.SOCK_CLOEXEC | unix.SOCK_NONBLOCK, eperm},
		{unix.AF_INET | 1<<40, unix.SOCK_RAW | 1<<40, eperm}, // the kernel ignores it
		{unix.AF_INET6, unix.SOCK_RAW, eperm},
		{unix.AF_INET, unix.SOCK_PACKET, eperm},
		{unix.AF_PACKET, unix.SOCK_RAW, eafno},
		{unix.AF_BLUETOOTH, unix.SOCK_RAW, eafno},
		{unix.AF_NETLINK, unix.SOCK_RAW, ok},
		{unix.AF_UNIX, unix.SOCK_STREAM, ok},
	} {
		for _, table := range tables() {
			if got := answerTo(t, vm, table.ID, uint32(table.SyscallNames["socket"]), tt.family, tt.kind); got != tt.want {
				t.Errorf("%s: socket(%#x, %#x): %#x, want %#x", table.Name, tt.family, tt.kind, got, tt.want)
			}
		}
	}
}

// A program under the filter may need to make namespaces.
func TestFilterNamespaces(t *testing.T) {
	f := step(t, sandbox.HostNetwork)
	f.Allowed, f.Denied, f.Namespaces = append(f.Allowed, "clone3", "unshare"), nil, true
	vm := machine(t, f)
	for name, want := range map[string]uint32{
		"clone": unix.SECCOMP_RET_ALLOW, "clone3": unix.SECCOMP_RET_ALLOW, "unshare": unix.SECCOMP_RET_ALLOW, "setns": errno | uint32(unix.ENOSYS),
	} {
		table := tables()[0]
		if got := answerTo(t, vm, table.ID, uint32(table.SyscallNames[name]), unix.CLONE_NEWUSER); got != want {
			t.Errorf("%s: %#x, want %#x", name, got, want)
		}
	}
}
