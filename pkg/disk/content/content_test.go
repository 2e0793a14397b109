// SPDX-License-Identifier: MPL-2.0

package content

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz"

	"github.com/carosio/carosbuild/pkg/disk/erofs"
	"github.com/carosio/carosbuild/pkg/disk/ext4"
	"github.com/carosio/carosbuild/pkg/disk/image"
	"github.com/carosio/carosbuild/pkg/disk/squashfs"
	"github.com/carosio/carosbuild/pkg/disk/tree"
)

// reference is the tree of the sample's tar archive.
func reference(t testing.TB) *tree.Tree {
	t.Helper()
	want, err := read(t, archiveOf(t, sample()), Options{})
	if err != nil {
		t.Fatal(err)
	}
	return want
}

// same expects the sample's tree from a file.
func same(t *testing.T, b []byte, o Options, xattrs bool) {
	t.Helper()
	got, err := read(t, b, o)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(views(t, got, xattrs), views(t, reference(t), xattrs)); diff != "" {
		t.Errorf("tree (-got +tar's):\n%s", diff)
	}
}

// TestReference checks the tree with which the others are compared.
func TestReference(t *testing.T) {
	got := views(t, reference(t), true)
	for _, want := range []string{
		`"bin/su" -> "" "" 104755 0:0`, `"dev/mmcblk9p8" -> "" "" 60660 0:5 dev {179 300}`, `"zz/busybox" -> "bin/busybox"`,
		`"home/user" -> "" "" 42750 1234:70000`, `data [{0 65536} {262144 77056}]`, `security.capability`,
	} {
		if !strings.Contains(strings.Join(got, "\n"), want) {
			t.Errorf("nothing like %s in\n%s", want, strings.Join(got, "\n"))
		}
	}
}

func TestCompressions(t *testing.T) {
	plain := archiveOf(t, sample())
	pack := func(w func(io.Writer) (io.WriteCloser, error)) []byte {
		var b bytes.Buffer
		z, err := w(&b)
		if err == nil {
			_, err = z.Write(plain)
		}
		if err == nil {
			err = z.Close()
		}
		if err != nil {
			t.Fatal(err)
		}
		return b.Bytes()
	}
	gz := pack(func(w io.Writer) (io.WriteCloser, error) { return gzip.NewWriter(w), nil })
	same(t, gz, Options{}, true)
	same(t, pack(func(w io.Writer) (io.WriteCloser, error) { return zstd.NewWriter(w) }), Options{}, true)
	same(t, pack(func(w io.Writer) (io.WriteCloser, error) { return xz.NewWriter(w) }), Options{}, true)
	same(t, []byte(tool(t, "", string(plain), "bzip2", "-c")), Options{}, true)
	if _, err := read(t, gz[:len(gz)-20], Options{}); err == nil || !strings.Contains(err.Error(), "unpack") {
		t.Errorf("a cut archive: %v", err)
	}
	for _, args := range [][]string{{"-c"}, {"-9", "-BD", "-B4", "--content-size", "-c"}, {"-l", "-9", "-z", "-c"}} { // the last is the form that bitbake and the kernel's makefiles use
		lz4 := []byte(tool(t, "", string(plain), "lz4", args...))
		same(t, lz4, Options{}, true)
		if _, err := read(t, lz4[:len(lz4)-20], Options{}); err == nil || !strings.Contains(err.Error(), "unpack") {
			t.Errorf("cut after lz4 %v: %v", args, err)
		}
	}
	if _, err := read(t, []byte("\x89LZO\x00\r\n\x1a\n"+string(plain)), Options{}); err == nil || !strings.Contains(err.Error(), "compressed with lzop, which is not read: gzip, xz, zstd, bzip2 and lz4 are") {
		t.Errorf("lzop: %v", err)
	}
}

func TestCpio(t *testing.T) {
	same(t, cpioOf(sample()), Options{}, false)
}

func TestExt(t *testing.T) {
	for _, kind := range []string{"ext2", "ext3", "ext4"} {
		t.Run(kind, func(t *testing.T) {
			same(t, contentOf(t, system(t, sample(), kind)), Options{}, true)
		})
	}
	t.Run("own writer", func(t *testing.T) {
		m, err := ext4.Build(reference(t), ext4.Options{Size: 16 << 20, Time: epoch})
		if err != nil {
			t.Fatal(err)
		}
		same(t, bytesOf(t, m), Options{}, true)
	})
}

func TestErofs(t *testing.T) {
	m, err := erofs.Build(reference(t), erofs.Options{Time: epoch})
	if err != nil {
		t.Fatal(err)
	}
	same(t, bytesOf(t, m), Options{}, true)
}

func TestSquashfs(t *testing.T) {
	dir := t.TempDir()
	for _, pack := range []string{"gzip", "xz", "zstd", "lz4", "lzo"} {
		t.Run(pack, func(t *testing.T) {
			out := filepath.Join(dir, pack)
			tool(t, "", string(archiveOf(t, sample())), "sqfstar", "-comp", pack, "-b", "16384", "-quiet", "-no-progress", "-root-mode", "0755", out)
			got, err := read(t, contentOf(t, out), Options{})
			if err != nil {
				t.Fatal(err)
			}
			root := &got.Entries[0] // sqfstar uses the time of its run, and the user who runs it
			root.Mtime, root.UID, root.GID = epoch, 0, 0
			if diff := cmp.Diff(views(t, got, true), views(t, reference(t), true)); diff != "" {
				t.Errorf("tree (-got +tar's):\n%s", diff)
			}
		})
	}
	t.Run("own writer", func(t *testing.T) {
		spool, err := os.Create(filepath.Join(dir, "spool"))
		if err != nil {
			t.Fatal(err)
		}
		defer spool.Close()
		m, err := squashfs.Build(t.Context(), reference(t), spool, squashfs.Options{Time: epoch})
		if err != nil {
			t.Fatal(err)
		}
		same(t, bytesOf(t, m), Options{}, true)
	})
}

func bytesOf(t testing.TB, m *image.Image) []byte {
	t.Helper()
	b, err := io.ReadAll(io.NewSectionReader(m, 0, m.Size()))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// card is a disk partitioned by sfdisk, with images in its partitions of 16 MiB
// each.
func card(t testing.TB, label string, parts ...string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "disk.wic")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	script := "label: " + label + "\n"
	for i, p := range parts {
		script += "size=32768\n"
		if p == "" {
			continue
		}
		if _, err := f.WriteAt(contentOf(t, p), int64(1+16*i)<<20); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.Truncate(int64(2+16*len(parts)) << 20); err != nil {
		t.Fatal(err)
	}
	tool(t, "", script, "sfdisk", "-q", path)
	return path
}

func boot(t testing.TB) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "boot")
	tool(t, "", "", "mkfs.vfat", "-C", "-n", "BOOT", path, "8192")
	return path
}

// TestDisks reads the root file system from disks in all formats.
func TestDisks(t *testing.T) {
	root := system(t, sample(), "ext4")
	for _, label := range []string{"gpt", "dos"} {
		t.Run(label, func(t *testing.T) { same(t, contentOf(t, card(t, label, boot(t), root)), Options{}, true) })
	}
	raw := card(t, "gpt", boot(t), root, "")
	mbr := card(t, "dos", boot(t), root, "") // it accepts a VHD that is a little larger
	dir := t.TempDir()
	for _, format := range []string{"vmdk", "vmdk -o subformat=streamOptimized", "qcow2", "vpc", "vhdx"} {
		t.Run(format, func(t *testing.T) {
			out := filepath.Join(dir, "out")
			from := raw
			if format == "vpc" {
				from = mbr
			}
			tool(t, "", "", "qemu-img", append(strings.Fields("convert -O "+format), from, out)...)
			same(t, contentOf(t, out), Options{}, true)
		})
	}
	t.Run("gz", func(t *testing.T) {
		same(t, []byte(tool(t, "", string(contentOf(t, raw)), "gzip", "-1c")), Options{}, true)
	})
	t.Run("a separate usr", func(t *testing.T) { // it has a shell, too
		f := sample()
		usr := system(t, []file{f[0], f[1], f[2], f[3]}, "ext4")
		same(t, contentOf(t, card(t, "gpt", usr, root)), Options{}, true)
	})
	t.Run("named", func(t *testing.T) {
		same(t, contentOf(t, raw), Options{Partition: "2"}, true)
		got, err := read(t, contentOf(t, raw), Options{Partition: "BOOT"})
		if err != nil || len(got.Entries) != 1 {
			t.Errorf("the boot partition: %v, %v", got, err)
		}
	})
}

// TestChoice has disks with more than one possible partition.
func TestChoice(t *testing.T) {
	root := system(t, sample(), "ext4")
	data := system(t, []file{{Header: sample()[0].Header}}, "ext4")
	for _, tt := range []struct {
		parts     []string
		partition string
		want      string
	}{
		{[]string{root, root}, "", `several partitions that look like the root of a system; its partitions are 1 (ext4), 2 (ext4)`},
		{[]string{boot(t), data}, "", `no partition with ext2, ext3, ext4, squashfs or erofs that looks like the root`},
		{[]string{boot(t), data}, "5", `there is no partition 5; its partitions are 1 (fat12, label "BOOT"), 2 (ext4)`},
		{[]string{boot(t), root, ""}, "3", "partition 3 has no known file system; its partitions are 1"},
		{nil, "", "it has no partitions"},
	} {
		b := make([]byte, 1<<20)
		if tt.parts != nil {
			b = contentOf(t, card(t, "gpt", tt.parts...))
		}
		_, err := read(t, b, Options{Partition: tt.partition})
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("got %v, want %s", err, tt.want)
		}
		var choice *ChoiceError
		if len(tt.parts) == 2 && (!errors.As(err, &choice) || choice.Example != "2") {
			t.Errorf("%v: no partition is proposed", err)
		}
	}
	if _, err := read(t, archiveOf(t, sample()), Options{Partition: "2"}); err == nil || !strings.Contains(err.Error(), "not a disk") {
		t.Errorf("a partition of an archive: %v", err)
	}
}
