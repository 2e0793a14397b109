// SPDX-License-Identifier: MPL-2.0

package guest

import (
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// answer is what a filter says to a call, as the kernel runs it.
func answer(t *testing.T, prog []unix.SockFilter, arch, number, argument uint32) uint32 {
	t.Helper()
	a := uint32(0)
	for pc := 0; pc < len(prog); pc++ {
		switch f := prog[pc]; f.Code {
		case unix.BPF_LD | unix.BPF_W | unix.BPF_ABS:
			a = map[uint32]uint32{atNumber: number, atArch: arch, atArgument: argument}[f.K]
		case unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K:
			if a == f.K {
				pc += int(f.Jt)
			} else {
				pc += int(f.Jf)
			}
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
	c := calls{arch: 77, socket: 41, durable: []uint32{74, 75, 162, 306}}
	prog := program(c)
	for _, x := range []struct{ arch, number, argument, want uint32 }{
		{77, 74, 0, retErrno},
		{77, 75, unix.AF_PACKET, retErrno},
		{77, 162, 0, retErrno},
		{77, 306, 0, retErrno},
		{77, 41, unix.AF_INET, retAllow},
		{77, 41, unix.AF_PACKET, retErrno | uint32(unix.EPERM)},
		{77, 1, unix.AF_PACKET, retAllow},
		{77, 0, 0, retAllow},
		{78, 74, 0, retAllow},
	} {
		if got := answer(t, prog, x.arch, x.number, x.argument); got != x.want {
			t.Errorf("architecture %d, call %d with %d: %#x, want %#x", x.arch, x.number, x.argument, got, x.want)
		}
	}
	if got := answer(t, program(calls{}), 77, 74, 0); got != retAllow {
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
