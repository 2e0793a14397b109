// SPDX-License-Identifier: MPL-2.0

package initrd

import (
	"bytes"
	"compress/gzip"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz"

	"github.com/carosio/carosbuild/pkg/disk/image"
	"github.com/carosio/carosbuild/pkg/disk/tree"
	"github.com/carosio/carosbuild/pkg/tooltest"
)

// mk builds a tree from path to contents; "-> x" is a symbolic link, and
// "=> x" a hard link.
func mk(files map[string]string) *tree.Tree {
	es := map[string]tree.Entry{"": {Mode: tree.Dir | 0o755}}
	for p, c := range files {
		for d := filepath.Dir(p); d != "."; d = filepath.Dir(d) {
			es[d] = tree.Entry{Path: d, Mode: tree.Dir | 0o755}
		}
		e := tree.Entry{Path: p, Mode: tree.Regular | 0o644, Size: int64(len(c)), Content: image.Bytes(c)}
		if to, ok := strings.CutPrefix(c, "-> "); ok {
			e = tree.Entry{Path: p, Mode: tree.Symlink | 0o777, Link: to}
		}
		if to, ok := strings.CutPrefix(c, "=> "); ok {
			e = tree.Entry{Path: p, Hardlink: to}
		}
		es[p] = e
	}
	t := &tree.Tree{}
	for _, e := range es {
		t.Entries = append(t.Entries, e)
	}
	slices.SortFunc(t.Entries, func(a, b tree.Entry) int { return tree.Compare(a.Path, b.Path) })
	return t
}

// program is a static ELF executable without sections.
func program(interp bool) string {
	b := make([]byte, 64+56)
	copy(b, "\x7fELF\x02\x01\x01")
	b[16], b[18], b[20] = 2, 62, 1 // executable, x86-64, version
	b[32], b[52], b[54], b[56] = 64, 64, 56, 1
	b[64] = 1 // PT_LOAD
	if interp {
		b[64] = 3
	}
	return string(b)
}

const version = "6.1.0-9-amd64"

// stage is a root file system with a merged /usr and a kernel.
func stage() map[string]string {
	m := "usr/lib/modules/" + version + "/"
	return map[string]string{
		"lib": "-> usr/lib", "bin": "-> /usr/bin", "usr/bin/busybox": program(false),
		m + "modules.dep": "kernel/fs/ext4/ext4.ko: kernel/lib/crc16.ko kernel/fs/mbcache.ko kernel/fs/jbd2.ko\n" +
			"kernel/fs/jbd2.ko: kernel/fs/journal-base.ko\nkernel/fs/journal-base.ko:\n" +
			"kernel/fs/mbcache.ko:\nkernel/lib/crc16.ko:\nkernel/d/virtio_blk.ko.xz:\nkernel/d/gz-mod.ko.gz:\nkernel/d/zs.ko.zst:\n",
		m + "modules.builtin":           "kernel/d/virtio-pci.ko\n",
		m + "kernel/fs/ext4/ext4.ko":    "EXT4",
		m + "kernel/fs/jbd2.ko":         "JBD2",
		m + "kernel/fs/journal-base.ko": "BASE",
		m + "kernel/fs/mbcache.ko":      "=> usr/lib/modules/" + version + "/kernel/fs/ext4/ext4.ko",
		m + "kernel/lib/crc16.ko":       "CRC",
		m + "kernel/d/virtio_blk.ko.xz": packed("xz", "VBLK"),
		m + "kernel/d/gz-mod.ko.gz":     packed("gz", "GZ"),
		m + "kernel/d/zs.ko.zst":        packed("zst", "ZS"),
	}
}

func packed(kind, s string) string {
	var b bytes.Buffer
	var w io.WriteCloser
	switch kind {
	case "xz":
		w, _ = xz.NewWriter(&b)
	case "gz":
		w = gzip.NewWriter(&b)
	case "zst":
		w, _ = zstd.NewWriter(&b)
	}
	_, _ = io.WriteString(w, s)
	_ = w.Close()
	return b.String()
}

// unpack lists what cpio finds, and the contents of files below m.
func unpack(t *testing.T, b []byte) (names []string, contents map[string]string) {
	t.Helper()
	z, err := gzip.NewReader(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	archive, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	list := func(args ...string) string {
		cmd := exec.CommandContext(t.Context(), tooltest.Find(t, "cpio"), args...)
		cmd.Stdin = bytes.NewReader(archive)
		cmd.Dir = t.TempDir()
		var out, errs bytes.Buffer
		cmd.Stdout, cmd.Stderr = &out, &errs
		if err := cmd.Run(); err != nil {
			t.Fatalf("cpio: %v\n%s", err, &errs)
		}
		return out.String()
	}
	for _, line := range strings.Split(strings.TrimSpace(list("-itv", "--quiet", "-n")), "\n") {
		f := strings.Fields(line)
		names = append(names, f[0]+" "+strings.Join(f[8:], " "))
	}
	contents = map[string]string{}
	for _, n := range names {
		if p := strings.Fields(n)[1]; strings.HasPrefix(p, "m/") || p == "init" {
			contents[p] = list("-i", "--quiet", "--to-stdout", p)
		}
	}
	return names, contents
}

func TestBuild(t *testing.T) {
	b, err := Build(mk(stage()), Options{Modules: []string{"ext4", "virtio-blk", "virtio_pci", "gz_mod.ko", "zs", "nosuch?"}})
	if err != nil {
		t.Fatal(err)
	}
	names, contents := unpack(t, b)
	want := map[string]string{
		"m/order":   "journal-base\njbd2\nmbcache\ncrc16\next4\nvirtio_blk\ngz-mod\nzs\n",
		"m/ext4.ko": "EXT4", "m/jbd2.ko": "JBD2", "m/mbcache.ko": "EXT4", "m/crc16.ko": "CRC", "m/journal-base.ko": "BASE",
		"m/virtio_blk.ko": "VBLK", "m/gz-mod.ko": "GZ", "m/zs.ko": "ZS", "init": initScript,
	}
	if diff := cmp.Diff(want, contents); diff != "" {
		t.Errorf("contents (-want +got):\n%s", diff)
	}
	for _, w := range []string{"drwxr-xr-x bin", "drwxr-xr-x root", "crw------- 1970 dev/console", "-rwxr-xr-x bin/busybox", "lrwxrwxrwx bin/sh -> busybox", "-rwxr-xr-x init"} {
		f := strings.Fields(w)
		if !slices.ContainsFunc(names, func(n string) bool { return strings.HasPrefix(n, f[0]) && strings.HasSuffix(n, f[len(f)-1]) }) {
			t.Errorf("no %q in %q", w, names)
		}
	}
	again, err := Build(mk(stage()), Options{Modules: []string{"ext4", "virtio-blk", "virtio_pci", "gz_mod.ko", "zs", "nosuch?"}})
	if err != nil || !bytes.Equal(b, again) {
		t.Errorf("a second build gives other bytes, %v", err)
	}
}

func TestZstd(t *testing.T) {
	b, err := Build(mk(stage()), Options{Compression: "zstd"})
	if err != nil {
		t.Fatal(err)
	}
	r, err := zstd.NewReader(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if got, err := io.ReadAll(r); err != nil || !bytes.HasPrefix(got, []byte(cpioMagic)) || !bytes.Contains(got, []byte(cpioTrailer)) {
		t.Errorf("no cpio in zstd: %d bytes, %v", len(got), err)
	}
}

func TestErrors(t *testing.T) {
	without := func(name string) map[string]string { s := stage(); delete(s, name); return s }
	with := func(name, c string) map[string]string { s := stage(); s[name] = c; return s }
	tests := []struct {
		name  string
		files map[string]string
		o     Options
		want  string
	}{
		{"no kernel", map[string]string{"x": ""}, Options{}, "no kernel in the stage"},
		{"no modules of a kernel", map[string]string{"x": ""}, Options{Kernel: "4.4.3", Searched: "the root"}, "there are no modules in /lib/modules of the root (wanted: those of kernel 4.4.3)"},
		{"two kernels", with("usr/lib/modules/5.4.0/modules.dep", ""), Options{}, "several kernels: name one of 5.4.0, 6.1.0-9-amd64"},
		{"wrong kernel", stage(), Options{Kernel: "5.10"}, "no modules of kernel 5.10 in /lib/modules; there are: 6.1.0-9-amd64"},
		{"no busybox", without("usr/bin/busybox"), Options{}, "install busybox-static"},
		{"dynamic busybox", with("usr/bin/busybox", program(true)), Options{}, "needs shared libraries"},
		{"script as busybox", with("usr/bin/busybox", "#!/bin/sh"), Options{}, "not a program"},
		{
			"unknown modules", stage(),
			Options{Modules: []string{"ext4", "jbd", "virtio_bkl", "zzzzzz"}},
			`no module "jbd" (did you mean "jbd2"?), nor "virtio_bkl" (did you mean "virtio_blk"?), nor "zzzzzz"`,
		},
		{"missing file", without("usr/lib/modules/" + version + "/kernel/fs/jbd2.ko"), Options{Modules: []string{"ext4"}}, "kernel/fs/jbd2.ko is named in modules.dep and is not there"},
		{"damaged xz", with("usr/lib/modules/"+version+"/kernel/d/virtio_blk.ko.xz", "nonsense nonsense"), Options{Modules: []string{"virtio_blk"}}, "virtio_blk.ko.xz: xz"},
		{"old kernel and zstd", map[string]string{"lib/modules/5.8.1/modules.dep": ""}, Options{Compression: "zstd"}, "5.9"},
		{"compression", stage(), Options{Compression: "lz4"}, `"lz4"`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := Build(mk(tt.files), tt.o); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}

func TestFind(t *testing.T) {
	l := newLookup(mk(map[string]string{
		"usr/lib/a": "A", "lib": "-> usr/lib", "abs": "-> /usr/lib/a", "up": "-> ../../../usr/lib/a", "usr/rel": "-> ../lib/./a",
		"loop1": "-> loop2", "loop2": "-> loop1", "dangling": "-> nowhere", "hard": "=> usr/lib/a", "self": "-> self/x",
	}))
	for name, want := range map[string]string{
		"lib/a": "usr/lib/a", "/lib//a": "usr/lib/a", "abs": "usr/lib/a", "up": "usr/lib/a", "usr/rel": "usr/lib/a", "hard": "usr/lib/a",
		"lib": "usr/lib", "usr/../lib/a": "usr/lib/a", "": "",
		"loop1": "!", "dangling": "!", "self": "!", "usr/lib/a/b": "!", "nothing": "!",
	} {
		got := "!"
		if e, ok := l.find(name); ok {
			got = e.Path
		}
		if got != want {
			t.Errorf("find(%q) = %q, want %q", name, got, want)
		}
	}
}

// TestScript runs the parts of /init that need no kernel: root= by PARTUUID, for a
// GPT and for an MBR disk.
func TestScript(t *testing.T) {
	busybox := tooltest.Find(t, "busybox")
	_, functions, ok := strings.Cut(initScript, "# partuuid ")
	functions, _, ok2 := strings.Cut(functions, "# locate DEVICE:")
	if !ok || !ok2 {
		t.Fatal("the script changed")
	}
	dir := t.TempDir()
	gpt := make([]byte, 4096)
	copy(gpt[512:], "EFI PART")
	copy(gpt[1024+128*2+16:], []byte{0xF2, 0x36, 0x33, 0xBF, 0x4A, 0x1D, 0xC4, 0x8C, 0xB5, 0x49, 0x1F, 0x1D, 0xC9, 0x65, 0xEB, 0x10})
	mbr := make([]byte, 1024)
	copy(mbr[440:], []byte{0x01, 0x5D, 0x40, 0xCA})
	for name, data := range map[string][]byte{"gpt": gpt, "mbr": mbr} {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
		p := filepath.Join(dir, "sys", name, name+"3")
		if err := os.MkdirAll(p, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(p, "partition"), []byte("3\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	functions = strings.ReplaceAll("# "+functions, "/dev/", dir+"/")
	for name, want := range map[string]string{"gpt": "bf3336f2-1d4a-8cc4-b549-1f1dc965eb10", "mbr": "ca405d01-03"} {
		script := "hexdump() { " + busybox + " hexdump \"$@\"; }\n" + functions + "\npartuuid " + filepath.Join(dir, "sys", name, name+"3")
		out, err := exec.CommandContext(t.Context(), busybox, "sh", "-c", script).CombinedOutput()
		if err != nil || string(out) != want {
			t.Errorf("%s: got %q, %v, want %q", name, out, err, want)
		}
	}
	cmd := exec.CommandContext(t.Context(), busybox, "sh", "-n")
	cmd.Stdin = strings.NewReader(initScript)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("sh -n: %v\n%s", err, out)
	}
}

// TestApplets checks that the initrd links every program that /init uses.
func TestApplets(t *testing.T) {
	busybox := tooltest.Find(t, "busybox")
	out, err := exec.CommandContext(t.Context(), busybox, "--list").Output()
	if err != nil {
		t.Fatal(err)
	}
	have := strings.Fields(string(out))
	for _, a := range applets() {
		if !slices.Contains(have, a) {
			t.Errorf("busybox has no %s", a)
		}
	}
	for _, a := range strings.Fields("cat dmesg tail findfs hexdump insmod losetup ls mount readlink sh sleep switch_root tr umount") {
		if !slices.Contains(applets(), a) || !strings.Contains(initScript, a) {
			t.Errorf("%s is not both linked and used", a)
		}
	}
}

func FuzzFind(f *testing.F) {
	f.Add("lib/../x", "-> a/b", "-> /lib")
	f.Fuzz(func(t *testing.T, name, a, b string) {
		l := newLookup(mk(map[string]string{"x": "-> " + a, "y/z": "-> " + b, "y/f": ""}))
		if e, ok := l.find(name); ok && e.Type() == tree.Symlink {
			t.Errorf("find(%q) is the link %q", name, e.Path)
		}
	})
}

func FuzzModules(f *testing.F) {
	f.Add("kernel/a.ko: kernel/b.ko\nkernel/b.ko: kernel/a.ko\n", "a")
	f.Fuzz(func(t *testing.T, dep, want string) {
		files := newLookup(mk(map[string]string{"lib/modules/1/modules.dep": dep, "lib/modules/1/kernel/a.ko": "A"}))
		_, _ = resolve(files, "1", []string{want})
	})
}

// Modules that are requested when another one starts, and modules requested by an
// alias.
func TestSoftDependenciesAndAliases(t *testing.T) {
	files := stage()
	m := "usr/lib/modules/" + version + "/"
	files[m+"modules.dep"] += "kernel/c/crc32c_generic.ko:\nkernel/c/crc32c-intel.ko: kernel/c/cpu.ko\nkernel/c/cpu.ko:\nkernel/c/late.ko:\n"
	for _, name := range []string{"crc32c_generic", "crc32c-intel", "cpu", "late"} {
		files[m+"kernel/c/"+name+".ko"] = name
	}
	files[m+"modules.softdep"] = "# comment\nsoftdep ext4 pre: crypto-crc32c\nsoftdep jbd2 pre: crypto-crc32c nobody post: late\nsoftdep crc32c_generic pre: ext4\n"
	files[m+"modules.alias"] = "alias pci:v00001AF4d* virtio_blk\nalias fs-ext4 ext4\nalias crypto-crc32c* crc32c_intel\nalias crypto-crc32c crc32c_generic\nalias crypto-sha1 absent\n"
	for _, tt := range []struct {
		wanted, order string
	}{
		{"ext4", "journal-base cpu crc32c-intel crc32c_generic jbd2 mbcache crc16 ext4"},
		{"fs-ext4", "journal-base cpu crc32c-intel crc32c_generic jbd2 mbcache crc16 ext4"},
		{"crypto_crc32c_x", "cpu crc32c-intel"},
		{"crypto-sha1 virtio-pci late", "late"},
	} {
		modules, err := resolve(newLookup(mk(files)), version, strings.Fields(tt.wanted))
		if err != nil {
			t.Errorf("%s: %v", tt.wanted, err)
			continue
		}
		var got []string
		for _, m := range modules {
			got = append(got, m.name)
		}
		if diff := cmp.Diff(strings.Join(got, " "), tt.order); diff != "" {
			t.Errorf("%s (-got +want):\n%s", tt.wanted, diff)
		}
	}
	if _, err := resolve(newLookup(mk(files)), version, []string{"fs-xfs"}); err == nil || !strings.Contains(err.Error(), "fs-xfs") {
		t.Errorf("an alias that nothing has: %v", err)
	}
}

// An element without modules has an empty list of them.
func TestDefaultModules(t *testing.T) {
	var want [][]byte
	for _, modules := range [][]string{DefaultModules(), nil, {}, strings.Fields("")} {
		b, err := Build(mk(stage()), Options{Modules: modules})
		if err != nil {
			t.Fatal(err)
		}
		want = append(want, b)
		if !bytes.Equal(b, want[0]) {
			t.Errorf("modules %#v: another initrd than with the default ones", modules)
		}
	}
	names, _ := unpack(t, want[0])
	if !slices.ContainsFunc(names, func(n string) bool { return strings.HasSuffix(n, " m/ext4.ko") }) {
		t.Errorf("no ext4 among %q", names)
	}
}
