// SPDX-License-Identifier: MPL-2.0

package filter

import (
	"testing"

	"github.com/carosio/carosbuild/pkg/sandbox"
)

// run interprets a program like the kernel, and returns the result for one call.
func run(t *testing.T, prog []Instruction, a Arch, nr uint32, args ...uint64) uint32 {
	t.Helper()
	var data [16]uint32 // struct seccomp_data
	data[0], data[1] = nr, uint32(a)
	for i, v := range args {
		data[4+2*i], data[5+2*i] = uint32(v), uint32(v>>32)
	}
	acc := uint32(0)
	for pc := 0; pc < len(prog); {
		i := prog[pc]
		pc++
		jump := func(ok bool) {
			if ok {
				pc += int(i.Jt)
			} else {
				pc += int(i.Jf)
			}
		}
		switch i.Code {
		case opLoad:
			acc = data[i.K/4]
		case opJump:
			pc += int(i.K)
		case opEqual:
			jump(acc == i.K)
		case opGreater:
			jump(acc > i.K)
		case opAtLeast:
			jump(acc >= i.K)
		case opSet:
			jump(acc&i.K != 0)
		case opAnd:
			acc &= i.K
		case opReturn:
			return i.K
		default:
			t.Fatalf("instruction %d: code %#x", pc-1, i.Code)
		}
	}
	t.Fatal("the program ends without a result")
	return 0
}

func TestProgram(t *testing.T) {
	host, err := Program(Options{Network: sandbox.HostNetwork}, X8664, I386)
	if err != nil {
		t.Fatal(err)
	}
	arms, err := Program(Options{Network: sandbox.NoNetwork}, ARM64, ARM)
	if err != nil {
		t.Fatal(err)
	}
	closed, err := Program(Options{Network: sandbox.ClosedNetwork}, X8664, I386)
	if err != nil {
		t.Fatal(err)
	}
	listed, err := Program(Options{Allowed: map[Arch][]sandbox.Range{X8664: {{First: 3, Last: 3}, {First: 40, Last: 92}}}}, X8664)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name string
		prog []Instruction
		arch Arch
		nr   uint32
		args []uint64
		want uint32
	}{
		{"chown", host, X8664, 92, nil, notify},
		{"of the list, but a rule names it", listed, X8664, 92, nil, notify},
		{"denied, whatever the list", listed, X8664, 165, nil, fail(eperm)},
		{"of the list", listed, X8664, 3, nil, allow},
		{"first of a range", listed, X8664, 40, nil, allow},
		{"within a range", listed, X8664, 60, nil, allow},
		{"between two", listed, X8664, 39, nil, fail(enosys)},
		{"below all", listed, X8664, 0, nil, fail(enosys)},
		{"above all", listed, X8664, 460, nil, fail(enosys)},
		{"not known", listed, X8664, 1000, nil, fail(enosys)},
		{"chown of 16 bits", host, I386, 182, nil, notify},
		{"chown of 32 bits", host, I386, 212, nil, notify},
		{"getpid", host, X8664, 39, nil, allow},
		{"the number of x86_64's chown means old_mmap", host, I386, 90, nil, allow},
		{"x32", host, X8664, 0x40000000 | 92, nil, fail(enosys)},
		{"x32's own", host, X8664, 0x40000000 | 520, nil, fail(enosys)},
		{"foreign", host, ARM64, 54, nil, fail(enosys)},
		{"foreign getpid", host, ARM, 20, nil, fail(enosys)},
		{"open to read", host, X8664, 2, []uint64{1, 0o2000000}, allow},
		{"open to create", host, X8664, 2, []uint64{1, 0o2000101}, notify},
		{"openat to create", host, X8664, 257, []uint64{1, 2, 0o100}, notify},
		{"openat without a name", host, X8664, 257, []uint64{1, 2, 0o20200002}, notify},
		{"openat2", host, X8664, 437, nil, fail(enosys)},
		{"io_uring", host, I386, 425, nil, fail(enosys)},
		{"fchmodat2", host, X8664, 452, nil, notify},
		{"getxattrat", host, X8664, 464, nil, notify},
		{"not known yet", host, X8664, 470, nil, fail(enosys)},
		{"keepcaps", host, X8664, 157, []uint64{8, 1}, notify},
		{"securebits", host, X8664, 157, []uint64{28, 1}, fail(eperm)},
		{"name", host, X8664, 157, []uint64{15, 1}, allow},
		{"the carrier of credentials", host, X8664, 302, []uint64{0, 15}, notify},
		{"another limit", host, X8664, 302, []uint64{0, 7}, allow},
		{"fork", host, X8664, 56, []uint64{0x01200011}, allow},
		{"user namespace", host, X8664, 56, []uint64{0x10000000}, fail(eperm)},
		{"mount", host, X8664, 165, nil, fail(eperm)},
		{"vsock", host, X8664, 41, []uint64{40}, fail(eafnosupport)},
		{"vsock with a high half", host, X8664, 41, []uint64{40 | 1<<40}, fail(eafnosupport)},
		{"inet", host, X8664, 41, []uint64{2}, allow},
		{"the kernel's cryptography", host, X8664, 41, []uint64{38}, fail(eafnosupport)},
		{"bluetooth", host, X8664, 41, []uint64{31}, allow},
		{"bluetooth without a network", arms, ARM64, 198, []uint64{31}, fail(eafnosupport)},
		{"inet without a network", arms, ARM64, 198, []uint64{2}, allow},
		{"raw inet without a network", arms, ARM64, 198, []uint64{2, 3}, allow},
		{"raw inet of a closed one", closed, X8664, 41, []uint64{2, 0o2000003}, fail(eperm)},
		{"raw inet6 of a closed one", closed, I386, 359, []uint64{10, 3}, fail(eperm)},
		{"a packet socket of inet", closed, X8664, 41, []uint64{2, 10}, fail(eperm)},
		{"a packet socket of a closed one", closed, X8664, 41, []uint64{17, 3}, fail(eafnosupport)},
		{"raw netlink of a closed one", closed, X8664, 41, []uint64{16, 3}, allow},
		{"datagrams of a closed one", closed, X8664, 41, []uint64{2, 0o2000002}, allow},
		{"socketcall of a closed one", closed, I386, 102, []uint64{1}, fail(enosys)},
		{"bind by socketcall", host, I386, 102, []uint64{2}, notify},
		{"connect by socketcall", host, I386, 102, []uint64{3}, allow},
		{"old stat", host, I386, 106, nil, fail(enosys)},
		{"stat64", host, I386, 195, nil, notify},
		{"arm64 fchownat", arms, ARM64, 54, nil, notify},
		{"arm64 newfstatat", arms, ARM64, 79, nil, notify},
		{"arm chown32", arms, ARM, 212, nil, notify},
		{"arm fstatat64", arms, ARM, 327, nil, notify},
		{"arm set_tls", arms, ARM, 0xf0005, nil, allow},
		{"arm beyond", arms, ARM, 0xf0007, nil, fail(enosys)},
		{"arm socket", arms, ARM, 281, []uint64{40}, fail(eafnosupport)},
	} {
		if got := run(t, tt.prog, tt.arch, tt.nr, tt.args...); got != tt.want {
			t.Errorf("%s: %#x, want %#x", tt.name, got, tt.want)
		}
	}
	if _, err := Program(Options{}, 7); err == nil {
		t.Error("an architecture without a table has a program")
	}
	if len(host) > 4096 || len(arms) > 4096 { // BPF_MAXINSNS
		t.Errorf("%d and %d instructions", len(host), len(arms))
	}
}

// Every call that changes or reports owners, modes or ids is in each table, unless the
// architecture does not have it.
func TestTablesAreComplete(t *testing.T) {
	lacks := map[Arch]map[string]bool{ // only *at calls, and one kind of stat
		ARM64: {"chown": true, "lchown": true, "chmod": true, "mknod": true, "mkdir": true, "symlink": true, "creat": true, "stat": true, "lstat": true},
	}
	for a, table := range Tables() {
		is32 := a == I386 || a == ARM
		for _, name := range always {
			wide := name == "newfstatat" || name == "fstat" || name == "stat" || name == "lstat"
			narrow := len(name) > 2 && (name[len(name)-2:] == "64" && name != "fchmodat2" || name[len(name)-2:] == "16")
			if _, ok := table[name]; !ok && !lacks[a][name] && (!wide || !is32) && (!narrow || is32) {
				t.Errorf("architecture %#x has no %s", uint32(a), name)
			}
		}
	}
}
