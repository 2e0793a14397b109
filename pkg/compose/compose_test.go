// SPDX-License-Identifier: MPL-2.0

package compose

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"debug/pe"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/carosio/carosbuild/pkg/decl/decltest"
	"github.com/carosio/carosbuild/pkg/decl/finding"
	"github.com/carosio/carosbuild/pkg/disk"
	"github.com/carosio/carosbuild/pkg/disk/ext4"
	"github.com/carosio/carosbuild/pkg/disk/fat"
	"github.com/carosio/carosbuild/pkg/disk/image"
	"github.com/carosio/carosbuild/pkg/disk/tree"
	"github.com/carosio/carosbuild/pkg/progress"
	"github.com/carosio/carosbuild/pkg/tooltest"
)

// heldRoot is a root file system in memory.
type heldRoot struct{ tree *tree.Tree }

func (r heldRoot) Tree(context.Context, int64, int) (*tree.Tree, func() error, error) {
	return r.tree, func() error { return nil }, nil
}

// files makes a root file system from file contents by path.
func files(t *testing.T, content map[string]string) heldRoot {
	t.Helper()
	b := tree.NewBuilder(1700000000)
	for p, c := range content {
		e := tree.Entry{Path: p, Mode: tree.Regular | 0o644, Mtime: 1700000000, Size: int64(len(c)), Content: image.Bytes(c)}
		if err := b.Add(e); err != nil {
			t.Fatal(err)
		}
	}
	tr, err := b.Tree()
	if err != nil {
		t.Fatal(err)
	}
	return heldRoot{tr}
}

// busybox is a static ELF executable that does nothing.
func busybox() string {
	b := make([]byte, 64+56)
	copy(b, "\x7fELF\x02\x01\x01")
	b[16], b[18], b[20], b[32], b[52], b[54], b[56], b[64] = 2, 62, 1, 64, 64, 56, 1, 1
	return string(b)
}

// rootfs is a tar archive like those that Yocto makes.
func rootfs(t *testing.T, zipped bool) string {
	t.Helper()
	var b bytes.Buffer
	var w io.Writer = &b
	z := gzip.NewWriter(&b)
	if zipped {
		w = z
	}
	tw := tar.NewWriter(w)
	for _, h := range []tar.Header{
		{Name: "./", Typeflag: tar.TypeDir, Mode: 0o755},
		{Name: "./etc/hostname", Typeflag: tar.TypeReg, Mode: 0o600, Uid: 7, Size: 6},
	} {
		if err := tw.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		if h.Size > 0 {
			if _, err := tw.Write([]byte("yocto\n")); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := tw.Close(); err != nil {
		t.Fatal(err)
	}
	if zipped {
		if err := z.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return b.String()
}

// stub is a PE file with room for sections, as small as possible.
func stub() string {
	const headers, raw = 0x400, 0x200
	b := make([]byte, headers+raw)
	copy(b, "MZ")
	b[0x3C] = 0x80
	copy(b[0x80:], "PE\x00\x00\x64\x86\x01\x00")
	b[0x80+20], b[0x80+22] = 240, 0x22 // size of the optional header, characteristics
	o := b[0x98:]
	copy(o, "\x0b\x02")
	put := func(at int, v uint32) {
		o[at], o[at+1], o[at+2], o[at+3] = byte(v), byte(v>>8), byte(v>>16), byte(v>>24)
	}
	put(32, 0x200)   // section alignment
	put(36, 0x200)   // file alignment
	put(56, 0x1200)  // size of image
	put(60, headers) // size of headers
	put(108, 16)     // data directories
	s := b[0x98+240:]
	copy(s, ".text")
	for at, v := range map[int]uint32{8: raw, 12: 0x1000, 16: raw, 20: headers, 36: 0x60000020} {
		s[at], s[at+1], s[at+2], s[at+3] = byte(v), byte(v>>8), byte(v>>16), byte(v>>24)
	}
	return string(b)
}

func system(t *testing.T) heldRoot {
	return files(t, map[string]string{
		"boot/vmlinuz-1": "KERNEL", "bin/busybox": busybox(), "usr/lib/modules/1/modules.dep": "", "usr/lib/modules/1/modules.builtin": "",
		"lib/modules/1/modules.dep": "", "usr/lib/os-release": "ID=caros\n", "stub.efi": stub(), "etc/hostname": "stage\n",
		"deploy/rootfs-1.tar.gz": rootfs(t, true), "deploy/rootfs.tar": rootfs(t, false), "deploy/part.img": strings.Repeat("raw ", 1024),
	})
}

// composed is the disk of a declaration whose stages are in memory.
func composed(t *testing.T, text string, roots map[string]RootFS) (*DiskImage, error) {
	t.Helper()
	img, _, err := composedNoting(t, text, roots)
	return img, err
}

// composedNoting is composed, with the notes.
func composedNoting(t *testing.T, text string, roots map[string]RootFS) (*DiskImage, []string, error) {
	t.Helper()
	var notes []string
	d := decltest.Parse(t, text)
	d.Disks[0].Stage = "s" // a disk without a stage uses the caller's
	epoch := int64(1700000000)
	e := &Composer{Epoch: &epoch, Jobs: 2, CacheDir: t.TempDir(), Now: time.Now, Events: func(ev progress.Event) {
		if ev.Kind == progress.Note {
			notes = append(notes, ev.Text)
		}
	}}
	images, release, err := e.Compose(t.Context(), d.Disks[:1], roots)
	if err != nil {
		return nil, notes, err
	}
	t.Cleanup(func() {
		if err := release(); err != nil {
			t.Error(err)
		}
		if left, err := os.ReadDir(e.CacheDir); err != nil || len(left) != 0 {
			t.Errorf("left in the cache directory: %v, %v", left, err)
		}
	})
	return images[0], notes, nil
}

// part is the content of a partition.
func part(img *DiskImage, i int) (*io.SectionReader, disk.Placed) {
	p := img.Layout.Partitions[i]
	return io.NewSectionReader(img.Layout.Image, p.Start, p.Size), p
}

func readFAT(t *testing.T, img *DiskImage, i int) map[string]string {
	t.Helper()
	r, _ := part(img, i)
	fs, err := fat.Open(r, r.Size())
	if err != nil {
		t.Fatal(err)
	}
	tr, err := fs.Tree()
	if err != nil {
		t.Fatal(err)
	}
	return contents(t, tr)
}

func contents(t *testing.T, tr *tree.Tree) map[string]string {
	t.Helper()
	out := map[string]string{}
	for _, e := range tr.Entries {
		if e.Type() != tree.Regular {
			continue
		}
		b := make([]byte, e.Size)
		if e.Size > 0 {
			if _, err := e.Content.ReadAt(b, 0); err != nil && err != io.EOF {
				t.Fatal(err)
			}
		}
		out[e.Path] = string(b)
	}
	return out
}

// TestBootParts puts everything that a declaration can ask for on a boot partition,
// including the root hash of a verified root.
func TestBootParts(t *testing.T) {
	for _, fs := range []string{"squashfs", "erofs"} {
		t.Run(fs, func(t *testing.T) { testBootParts(t, fs) })
	}
}

func testBootParts(t *testing.T, root string) {
	img, err := composed(t, `<disk id="d" table="gpt">
		<partition name="boot" fs="fat32" size="64M">
			<extlinux title="CarOS" timeout="3" fdt="/b.dtb" cmdline="roothash={roothash:root} ro"/>
			<bootscript>setenv hash {roothash:root}
			</bootscript>
			<uki stub="/stub.efi" kernel="/boot/vmlinuz-*" cmdline="roothash={roothash:root}" modules=""/>
			<file to="/hash">{roothash:root}</file>
		</partition>
		<partition name="root" fs="`+root+`" size="fit" path="/etc"/>
		<partition name="hash" fs="verity" size="fit" of="root"/></disk>`, map[string]RootFS{"s": system(t)})
	if err != nil {
		t.Fatal(err)
	}
	_, hash := part(img, 2)
	got := readFAT(t, img, 0)
	want := map[string]string{
		"hash": hash.RootHash,
		"extlinux/extlinux.conf": "default d\ntimeout 30\n\nlabel d\n\tmenu label CarOS\n\tlinux /zImage\n\tinitrd /initrd.img\n\tfdt /b.dtb\n" +
			"\tappend roothash=" + hash.RootHash + " ro\n",
	}
	for name, text := range want {
		if diff := cmp.Diff(got[name], text); diff != "" {
			t.Errorf("%s (-got +want):\n%s", name, diff)
		}
	}
	if !strings.HasSuffix(got["boot.scr"], "setenv hash "+hash.RootHash+"\n") || !strings.HasPrefix(got["boot.scr"], "\x27\x05\x19\x56") {
		t.Errorf("boot.scr: %q", got["boot.scr"])
	}
	checkUKI(t, got["EFI/BOOT/BOOTX64.EFI"], hash.RootHash)
}

func checkUKI(t *testing.T, text, hash string) {
	t.Helper()
	f, err := pe.NewFile(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{".osrel": "ID=caros\n", ".cmdline": "roothash=" + hash + "\x00", ".linux": "KERNEL", ".initrd": "\x1f\x8b"} {
		s := f.Section(name)
		if s == nil {
			t.Errorf("no section %s", name)
			continue
		}
		b, err := s.Data()
		if err != nil || !strings.HasPrefix(string(b), want) {
			t.Errorf("%s: %q, %v", name, b, err)
		}
	}
}

// TestArchives makes file systems from tar archives in a stage, and a partition
// from a file.
func TestArchives(t *testing.T) {
	img, err := composed(t, `<disk id="d" table="mbr">
		<partition name="a" fs="ext4" size="fit" path="/deploy/rootfs-*.tar.gz" profile="compat"/>
		<partition name="b" fs="ext4" size="fit" path="/deploy/rootfs.tar"><file to="/added">x</file></partition>
		<partition name="c" size="fit+1M" from="/deploy/part*"/></disk>`, map[string]RootFS{"s": system(t)})
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []map[string]string{{"etc/hostname": "yocto\n"}, {"etc/hostname": "yocto\n", "added": "x"}} {
		r, _ := part(img, i)
		fs, err := ext4.Open(r, r.Size())
		if err != nil {
			t.Fatal(err)
		}
		tr, err := fs.Tree()
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(contents(t, tr), want); diff != "" {
			t.Errorf("partition %d (-got +want):\n%s", i+1, diff)
		}
		if e, err := tr.Lookup("etc/hostname"); err != nil || e.UID != 7 || e.Mode != tree.Regular|0o600 {
			t.Errorf("partition %d: %+v, %v", i+1, e, err)
		}
	}
	r, p := part(img, 2)
	b := make([]byte, 4096)
	if _, err := r.ReadAt(b, 0); err != nil || string(b) != strings.Repeat("raw ", 1024) || p.Size != 4096+1<<20 {
		t.Errorf("the third partition has %d bytes, %q..., %v", p.Size, b[:8], err)
	}
}

// TestComposeFindings has declarations that ask for things that their stages do not
// have.
func TestComposeFindings(t *testing.T) {
	for want, text := range map[string]string{
		`no partition with fs="verity" verifies "rot"`: `<partition fs="fat32" size="64M"><file to="/x">{roothash:rot}</file></partition>`,
		"no u-boot-sunxi-with-spl.bin":                 `<blob from="/stub.efi" at="8K" check="sunxi-spl"/><partition size="1M"/>`,
		"/deploy/rootfs* matches 2 files":              `<partition fs="ext4" size="fit" path="/deploy/rootfs*"/>`,
		"/etc/hostname: ":                              `<partition fs="ext4" size="fit" path="/etc/hostname"/>`,
		"/etc is not a file, or is empty":              `<partition size="fit" from="/etc"/>`,
		"file does not exist":                          `<partition size="fit" from="/none"/>`,
		`no module "zzz"`:                              `<partition fs="fat32" size="64M"><initrd to="/i" modules="zzz"/></partition>`,
		"/boot/vmlinuz-2":                              `<partition fs="fat32" size="64M"><uki stub="/stub.efi" kernel="/boot/vmlinuz-2"/></partition>`,
		"not an EFI stub":                              `<partition fs="fat32" size="64M"><uki stub="/etc/hostname" kernel="/boot/vmlinuz-1"/></partition>`,
	} {
		_, err := composed(t, `<disk id="d" table="gpt" size="100M">`+text+`</disk>`, map[string]RootFS{"s": system(t)})
		var d *finding.ListError
		if !errors.As(err, &d) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s:\ngot %v, want a finding with %q", text, err, want)
		}
	}
}

// TestForeignReaders has other programs read the disks of TestArchives and
// TestBootParts, which our own readers have read.
func TestForeignReaders(t *testing.T) {
	unsquashfs := tooltest.Find(t, "unsquashfs")
	img, err := composed(t, `<disk id="d" table="gpt"><partition fs="squashfs" size="fit" path="/etc" compression="gzip"><file to="/added" mode="0755">x</file></partition></disk>`,
		map[string]RootFS{"s": system(t)})
	if err != nil {
		t.Fatal(err)
	}
	r, _ := part(img, 0)
	b, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(t.TempDir(), "squash")
	if err := os.WriteFile(name, b, 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), unsquashfs, "-lln", name).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	for _, want := range []string{"-rwxr-xr-x", "squashfs-root/added", "squashfs-root/hostname"} {
		if !slices.ContainsFunc(lines, func(l string) bool { return strings.Contains(l, want) }) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
}
