// SPDX-License-Identifier: MPL-2.0

package guest

import (
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// answer is a filter's result for a call, run as the kernel would run it.
func answer(t *testing.T, prog []unix.SockFilter, arch, number uint32, args ...uint32) uint32 {
	t.Helper()
	a := uint32(0)
	for pc := 0; pc < len(prog); pc++ {
		f := prog[pc]
		jump := func(yes bool) { pc += int(map[bool]uint8{true: f.Jt, false: f.Jf}[yes]) }
		switch f.Code {
		case unix.BPF_LD | unix.BPF_W | unix.BPF_ABS:
			a = map[uint32]uint32{atNumber: number, atArch: arch, atFirst: args[0], atSecond: args[1], atThird: args[2]}[f.K]
		case unix.BPF_ALU | unix.BPF_AND | unix.BPF_K:
			a &= f.K
		case unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K:
			jump(a == f.K)
		case unix.BPF_JMP | unix.BPF_JGE | unix.BPF_K:
			jump(a >= f.K)
		case unix.BPF_RET | unix.BPF_K:
			return f.K
		default:
			t.Fatalf("instruction %#x", f.Code)
		}
	}
	t.Fatal("it runs past its end")
	return 0
}

func TestProgram(t *testing.T) {
	prog := program([]calls{
		{arch: 77, socket: 41, setsockopt: 54, hidden: []uint32{425}, durable: []uint32{74, 75, 162, 306}},
		{arch: 78, socket: 359, setsockopt: 366, hidden: []uint32{102, 425}},
	})
	const refused, missing = retErrno | uint32(unix.EPERM), retErrno | uint32(unix.ENOSYS)
	for _, x := range []struct{ arch, number, first, second, want uint32 }{
		{77, 74, 0, 0, retErrno},
		{77, 75, unix.AF_PACKET, 0, retErrno},
		{77, 162, 0, 0, retErrno},
		{77, 306, 0, 0, retErrno},
		{77, 41, unix.AF_INET, unix.SOCK_STREAM | unix.SOCK_CLOEXEC, retAllow},
		{77, 41, unix.AF_INET6, unix.SOCK_DGRAM, retAllow},
		{77, 41, unix.AF_UNIX, unix.SOCK_RAW, retAllow},
		{77, 41, unix.AF_NETLINK, unix.SOCK_RAW, retAllow},
		{77, 41, unix.AF_PACKET, unix.SOCK_RAW, refused},
		{77, 41, unix.AF_INET, unix.SOCK_PACKET, refused},
		{77, 41, unix.AF_INET, unix.SOCK_RAW | unix.SOCK_NONBLOCK, refused},
		{77, 41, unix.AF_INET6, unix.SOCK_RAW, refused},
		{77, 1, unix.AF_PACKET, 0, retAllow},
		{77, 0, 0, 0, retAllow},
		{77, 425, 0, 0, missing},
		{77, foreignNumbers | 41, unix.AF_PACKET, unix.SOCK_RAW, missing},
		{78, 74, 0, 0, retAllow},
		{78, 41, unix.AF_PACKET, 0, retAllow},
		{78, 359, unix.AF_PACKET, unix.SOCK_RAW, refused},
		{78, 102, 1, 0, missing},
		{79, 1, 0, 0, missing},
	} {
		if got := answer(t, prog, x.arch, x.number, x.first, x.second, 0); got != x.want {
			t.Errorf("architecture %d, call %d with %d, %d: %#x, want %#x", x.arch, x.number, x.first, x.second, got, x.want)
		}
	}
	for _, x := range []struct{ arch, number, level, option, want uint32 }{
		{77, 54, unix.SOL_SOCKET, unix.SO_BROADCAST, refused},
		{77, 54, unix.SOL_SOCKET, unix.SO_KEEPALIVE, retAllow},
		{77, 54, unix.IPPROTO_TCP, unix.SO_BROADCAST, retAllow},
		{78, 366, unix.SOL_SOCKET, unix.SO_BROADCAST, refused},
		{78, 54, unix.SOL_SOCKET, unix.SO_BROADCAST, retAllow},
	} {
		if got := answer(t, prog, x.arch, x.number, 3, x.level, x.option); got != x.want {
			t.Errorf("architecture %d, call %d of option %d, %d: %#x, want %#x", x.arch, x.number, x.level, x.option, got, x.want)
		}
	}
	if got := answer(t, program(nil), 77, 74, 0, 0, 0); got != retAllow {
		t.Errorf("of an unknown architecture: %#x", got)
	}
}

func TestFind(t *testing.T) {
	dir := t.TempDir()
	for name, mode := range map[string]os.FileMode{"program": 0o755, "data": 0o644} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, mode); err != nil {
			t.Fatal(err)
		}
	}
	env := []string{"HOME=/", "PATH=/none:" + dir}
	for name, want := range map[string]string{"program": dir + "/program", "/a/b": "/a/b", "./x": "./x"} {
		if got, err := find(name, env); got != want || err != nil {
			t.Errorf("%s: %s, %v, want %s", name, got, err, want)
		}
	}
	for _, name := range []string{"data", "none"} {
		if got, err := find(name, env); err == nil {
			t.Errorf("%s was found: %s", name, got)
		}
	}
	if _, err := find("program", nil); err == nil {
		t.Error("a program was found without a PATH")
	}
}

// Main leaves other processes alone.
func TestMainReturns(t *testing.T) {
	for _, args := range [][]string{nil, {"/init"}, {stepName}, {"carosbuild", "plan"}} {
		Main(args)
	}
}
