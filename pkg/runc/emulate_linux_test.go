// SPDX-License-Identifier: MPL-2.0

package runc

import (
	"bytes"
	"context"
	"debug/elf"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/carosio/carosbuild/pkg/remedy"
	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

func init() {
	// emulate DIR ARCH...: readies the machines one after the other; each must
	// run in a step afterwards, the first ones still.
	inner["emulate"] = func() int {
		scratch, archs := filepath.Join(os.Args[2], "scratch"), os.Args[3:]
		if err := MountScratch(scratch); err != nil {
			fmt.Println(err)
			return 125
		}
		rt, err := FindRuntime("", scratch)
		if err != nil {
			fmt.Println(err)
			return 125
		}
		for _, arch := range archs {
			if err := rt.Emulate(context.Background(), arch); err != nil {
				fmt.Println(arch+":", err)
			}
		}
		for _, arch := range archs {
			fmt.Println(arch, runTrial(rt, os.Args[2], arch))
		}
		return 0
	}
}

// runTrial runs the program that tries a machine as a step of an ordinary user.
func runTrial(rt *Runtime, dir, arch string) string {
	for _, m := range machines() {
		if m.arch != arch {
			continue
		}
		root := filepath.Join(dir, "root-"+arch)
		if err := os.MkdirAll(root, 0o755); err != nil {
			return err.Error()
		}
		if err := os.WriteFile(filepath.Join(root, "trial"), m.program(), 0o755); err != nil {
			return err.Error()
		}
		if _, err := Plant(root, nil, nil); err != nil {
			return err.Error()
		}
		status, err := rt.Run(context.Background(), Step{
			ID: "trial-" + arch, Root: root, Arch: arch, Args: []string{"/trial"}, Cwd: "/", Network: NoNetwork, UID: 33,
			Stdout: os.Stdout, Stderr: os.Stdout,
		})
		return fmt.Sprint(status, " ", err)
	}
	return "no machine"
}

// table is what the host's own table of foreign executables says, and which
// machines' programs run because of it.
func table(t *testing.T) map[string]string {
	t.Helper()
	out := map[string]string{}
	for _, m := range machines() {
		path := filepath.Join(t.TempDir(), "trial")
		if err := os.WriteFile(path, m.program(), 0o755); err != nil {
			t.Fatal(err)
		}
		out["run "+m.arch] = fmt.Sprint(exec.CommandContext(t.Context(), path).Run() == nil)
	}
	entries, err := os.ReadDir(binfmt)
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	for _, e := range entries {
		if e.Name() == "register" {
			continue
		}
		b, err := os.ReadFile(filepath.Join(binfmt, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		out[e.Name()] = string(b)
	}
	return out
}

func TestEmulate(t *testing.T) {
	if os.Getenv("CAROSBUILD_REQUIRE_TOOLS") != "1" {
		for _, m := range machines() {
			if m.emulator() == "" {
				t.Skipf("no qemu-%s-static (package qemu-user-static)", m.qemu)
			}
		}
	}
	before := table(t)
	var archs, want []string
	for _, m := range machines() {
		archs = append(archs, m.arch)
		want = append(want, m.arch+" 0 <nil>")
	}
	out, status := enter(t, "emulate", append([]string{t.TempDir()}, archs...)...)
	if diff := cmp.Diff(out, strings.Join(want, "\n")+"\n"); diff != "" || status != 0 {
		t.Errorf("status %d; output (-got +want):\n%s", status, diff)
	}
	if diff := cmp.Diff(table(t), before); diff != "" {
		t.Errorf("the host's table has changed (-got +want):\n%s", diff)
	}
}

func TestEmulateUnknown(t *testing.T) {
	err := (&Runtime{}).Emulate(t.Context(), "vax")
	if !remedy.Is(err) {
		t.Errorf("got %v, want a remedy.Error", err)
	}
	if err := (&Runtime{}).Emulate(t.Context(), runtime.GOARCH); err != nil {
		t.Errorf("the host's own architecture: %v", err)
	}
}

func TestEmulationRefused(t *testing.T) {
	for _, tt := range []struct {
		err  error
		want string
	}{
		{mountRefusal(unix.EPERM), "a kernel from 6.7 on"},
		{mountRefusal(unix.ENODEV), "modprobe binfmt_misc"},
		{machine{arch: "arm", qemu: "none"}.refusal(unix.ENOEXEC), "apt-get install qemu-user-static"},
	} {
		if !remedy.Is(tt.err) || !strings.Contains(tt.err.Error(), tt.want) {
			t.Errorf("got %q, want a remedy.Error with %q", tt.err, tt.want)
		}
	}
}

// The standard library's reader finds what the writer has put there.
func TestPrograms(t *testing.T) {
	for _, m := range machines() {
		f, err := elf.NewFile(bytes.NewReader(m.program()))
		if err != nil {
			t.Errorf("%s: %v", m.arch, err)
			continue
		}
		p := f.Progs[0]
		at := make([]byte, len(m.exit))
		if _, err := p.ReadAt(at, int64(f.Entry-p.Vaddr)); err != nil {
			t.Errorf("%s: %v", m.arch, err)
		}
		if uint16(f.Machine) != m.elf || p.Type != elf.PT_LOAD || p.Flags != elf.PF_R|elf.PF_X || !bytes.Equal(at, m.exit) {
			t.Errorf("%s: %v, %+v, %x at the entry", m.arch, f.FileHeader, p.ProgHeader, at)
		}
	}
}

func TestRegistration(t *testing.T) {
	got := machines()[0].registration("/usr/bin/qemu-arm-static")
	want := `:qemu-arm:M:0:\x7f\x45\x4c\x46\x01\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\x28\x00` +
		`:\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff:/usr/bin/qemu-arm-static:POCF`
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}
