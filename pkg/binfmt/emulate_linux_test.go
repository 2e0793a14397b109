// SPDX-License-Identifier: MPL-2.0

package binfmt

import (
	"bytes"
	"debug/elf"
	"runtime"
	"strings"
	"testing"

	"github.com/carosio/carosbuild/pkg/remedy"
	"golang.org/x/sys/unix"
)

func TestEmulateUnknown(t *testing.T) {
	err := (&Emulators{}).Emulate(t.Context(), "vax")
	if !remedy.Is(err) {
		t.Errorf("got %v, want a remedy.Error", err)
	}
	if err := (&Emulators{}).Emulate(t.Context(), runtime.GOARCH); err != nil {
		t.Errorf("the host's own architecture: %v", err)
	}
}

func TestEmulationRefused(t *testing.T) {
	for _, tt := range []struct {
		err  error
		want string
	}{
		{mountRefusal(unix.EPERM), "Linux 6.7 or later"},
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
