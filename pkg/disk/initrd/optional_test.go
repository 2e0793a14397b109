// SPDX-License-Identifier: MPL-2.0

package initrd

import (
	bin "encoding/binary"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// object is a kernel module for a processor, with the strings of .modinfo.
func object(machine uint16, info ...string) string {
	const header, sections = 64, 3
	names := "\x00.modinfo\x00.shstrtab\x00"
	text := strings.Join(info, "\x00") + "\x00"
	b := make([]byte, header)
	copy(b, "\x7fELF\x02\x01\x01")
	le := bin.LittleEndian
	le.PutUint16(b[16:], 1)
	le.PutUint16(b[18:], machine)
	le.PutUint32(b[20:], 1)
	le.PutUint64(b[40:], uint64(header+len(text)+len(names)))
	le.PutUint16(b[52:], header)
	le.PutUint16(b[58:], 64)
	le.PutUint16(b[60:], sections)
	le.PutUint16(b[62:], 2)
	table := make([]byte, sections*64)
	for i, s := range [][4]int{{}, {1, 1, header, len(text)}, {10, 3, header + len(text), len(names)}} {
		le.PutUint32(table[i*64:], uint32(s[0]))
		le.PutUint32(table[i*64+4:], uint32(s[1]))
		le.PutUint64(table[i*64+24:], uint64(s[2]))
		le.PutUint64(table[i*64+32:], uint64(s[3]))
	}
	return string(b) + text + names + string(table)
}

const amd64, arm = 62, 40

// archive is a tree in the state after "make modules_install" without depmod.
func archive() map[string]string {
	m := "lib/modules/4.4.3/"
	return map[string]string{
		m + "modules.builtin":       "kernel/d/scsi_mod.ko\n",
		m + "kernel/fs/ext4.ko":     object(amd64, "license=GPL", "depends=jbd2,mbcache", "softdep=pre: crc32c"),
		m + "kernel/fs/jbd2.ko":     object(amd64, "depends="),
		m + "kernel/fs/mbcache.ko":  object(amd64),
		m + "kernel/d/crc32c.ko.xz": packed("xz", object(amd64, "depends=")),
		m + "kernel/d/sd-mod.ko":    object(amd64, "depends=scsi_mod"),
		m + "kernel/d/broken.ko":    object(amd64, "depends=gone"),
		m + "kernel/d/text.ko":      "not a module",
	}
}

// TestWithoutDepmod reads the dependencies from the modules themselves.
func TestWithoutDepmod(t *testing.T) {
	for _, tt := range []struct{ wanted, order, err string }{
		{"ext4", "mbcache jbd2 crc32c ext4", ""},
		{"sd_mod ext4", "sd-mod mbcache jbd2 crc32c ext4", ""},
		{"scsi_mod xfs?", "", ""},
		{"broken", "", `needs module "gone", which is not there`},
		{"text", "", "not a module"},
		{"xfs", "", `no module "xfs"`},
	} {
		modules, err := resolve(newLookup(mk(archive())), "4.4.3", strings.Fields(tt.wanted))
		var order []string
		for _, m := range modules {
			order = append(order, m.name)
		}
		if got := strings.Join(order, " "); got != tt.order {
			t.Errorf("%s: got %s, want %s", tt.wanted, got, tt.order)
		}
		if (err != nil) != (tt.err != "") || err != nil && !strings.Contains(err.Error(), tt.err) {
			t.Errorf("%s: error %v, want %q", tt.wanted, err, tt.err)
		}
	}
}

// TestUnneeded distinguishes kernels that start without an initrd from others.
func TestUnneeded(t *testing.T) {
	for _, tt := range []struct {
		name  string
		files map[string]string
		o     Options
		want  string
	}{
		{"no modules at all", map[string]string{"etc/x": ""}, Options{}, "there are no modules, so that the kernel has to have its drivers built in"},
		{"none of a kernel that is known", map[string]string{"etc/x": ""}, Options{Kernel: "4.4.3"}, "there are no modules, so that the kernel has to have its drivers built in"},
		{"none deployed", map[string]string{"etc/x": ""}, Options{Kernel: "4.4.3", Searched: "the root file system"}, "no modules are deployed"},
		{"built in", archive(), Options{Modules: []string{"scsi_mod", "nvme?"}}, "kernel 4.4.3 has built in what it needs"},
		{"modules", archive(), Options{Modules: []string{"ext4"}}, ""},
		{"a program", archive(), Options{Modules: []string{"scsi_mod"}, Programs: []string{"/bin/x"}}, ""},
	} {
		got, err := Unneeded(mk(tt.files), tt.o)
		if err != nil || got != tt.want {
			t.Errorf("%s: got %q, %v, want %q", tt.name, got, err, tt.want)
		}
	}
	if _, err := Unneeded(mk(archive()), Options{Kernel: "4.1.0"}); err == nil || !strings.Contains(err.Error(), "no modules of kernel 4.1.0 in /lib/modules; there are: 4.4.3") {
		t.Errorf("the modules of another kernel: %v", err)
	}
}

// TestSpare takes busybox from elsewhere, for the modules' processor.
func TestSpare(t *testing.T) {
	forArm := []byte(program(false))
	forArm[18] = arm
	spare := mk(map[string]string{"b/amd64": program(false), "b/arm": string(forArm)})
	o := Options{Modules: []string{"ext4"}, Spare: &Spare{spare, "/b/*"}}
	build := func(files map[string]string, o Options) (string, error) {
		b, err := Build(mk(files), o)
		if err != nil {
			return "", err
		}
		_, contents := unpack(t, b)
		return contents["m/order"], nil
	}
	if order, err := build(archive(), o); err != nil || order != "mbcache\njbd2\ncrc32c\next4\n" {
		t.Errorf("got %q, %v", order, err)
	}
	dynamic := archive()
	dynamic["bin/busybox"] = program(true)
	if _, err := build(dynamic, o); err != nil {
		t.Errorf("a busybox with libraries: %v", err)
	}
	for pattern, want := range map[string]string{
		"/b/arm": "none of those that could take its place (/b/arm, for ARM) is for the processor", "/c/*": "and in its place", "/b": "no busybox",
	} {
		o.Spare = &Spare{spare, pattern}
		if _, err := build(archive(), o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", pattern, err, want)
		}
	}
}

func FuzzModuleInfo(f *testing.F) {
	f.Add([]byte(object(amd64, "depends=a,b")))
	f.Fuzz(func(t *testing.T, b []byte) {
		x := &moduleIndex{dir: "d", files: map[string]string{"a": "a.ko", "b": "b.ko"}, needs: map[string][]string{}, soft: map[string][]string{}}
		_ = x.learn("m.ko", module{"m", b})
		if _, err := moduleInfo(b); err == nil && len(b) < 16 {
			t.Errorf("%q is a module", b)
		}
	})
}

// A module that depends on itself does not cause an endless loop.
func TestCycle(t *testing.T) {
	files := archive()
	files["lib/modules/4.4.3/kernel/fs/jbd2.ko"] = object(amd64, "depends=ext4")
	modules, err := resolve(newLookup(mk(files)), "4.4.3", []string{"ext4"})
	if err != nil || len(modules) != 4 {
		t.Errorf("%d modules, %v", len(modules), err)
	}
	if diff := cmp.Diff(modules[0].name, "mbcache"); diff != "" {
		t.Error(diff)
	}
}
