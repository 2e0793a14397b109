// SPDX-License-Identifier: MPL-2.0

package archive

import (
	"archive/tar"
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/carosio/carosbuild/pkg/oci"
	"github.com/carosio/carosbuild/pkg/owner"
)

// unpack applies a stream and returns its files, one line each, and the stream assembled
// again.
func unpack(t testing.TB, stream []byte, low ...string) (lines []string, again []byte, err error) {
	t.Helper()
	base := filepath.Join(t.TempDir(), "base")
	root := filepath.Join(base, "root")
	if err := os.MkdirAll(root, 0o700); err != nil {
		t.Fatal(err)
	}
	scratch := func() (*os.File, error) { return os.CreateTemp(base, "record") }
	record, err := scratch()
	if err != nil {
		t.Fatal(err)
	}
	_, record, err = Apply(t.Context(), bytes.NewReader(stream), record, ApplyOptions{
		Root:  root,
		Aside: filepath.Join(base, "aside"), Scratch: scratch, Lowers: low, Format: Format{UserOverlay, nobody{}},
		Limits: oci.Limits{LayerBytes: 1 << 30, Inline: 1 << 20}.WithDefaults(),
	})
	defer record.Close()
	if names, _ := os.ReadDir(filepath.Dir(base)); len(names) != 1 {
		t.Errorf("files beside the test's own directory: %v", names)
	}
	if err != nil {
		return nil, nil, err
	}
	var buf bytes.Buffer
	if _, err := record.Seek(0, io.SeekStart); err != nil {
		t.Fatal(err)
	}
	lines = listing(t, root)
	t.Cleanup(func() {
		_ = filepath.WalkDir(root, func(p string, d fs.DirEntry, _ error) error {
			if d != nil && d.IsDir() {
				return os.Chmod(p, 0o700)
			}
			return nil
		})
	})
	if err := (&assembler{dir: root, buf: make([]byte, 4096)}).assemble(record, &buf); err != nil {
		t.Fatalf("give the stream back: %v", err)
	}
	return lines, buf.Bytes(), nil
}

// listing describes the files, and makes them readable for an ordinary user.
func listing(t testing.TB, root string) []string {
	t.Helper()
	var lines []string
	err := filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, _ := filepath.Rel(root, p)
		var st unix.Stat_t
		if err := unix.Lstat(p, &st); err != nil {
			return err
		}
		if d.IsDir() && st.Mode&0o500 != 0o500 || d.Type().IsRegular() && st.Mode&0o400 == 0 {
			if err := os.Chmod(p, 0o700); err != nil {
				return err
			}
		}
		kind := map[uint32]string{unix.S_IFDIR: "d", unix.S_IFREG: "-", unix.S_IFLNK: "l", unix.S_IFIFO: "p", unix.S_IFCHR: "c"}[st.Mode&unix.S_IFMT]
		line := fmt.Sprintf("%s%04o %s", kind, st.Mode&0o7777, rel)
		switch kind {
		case "l":
			to, _ := os.Readlink(p)
			line = "l " + rel + " -> " + to
		case "-":
			b, err := os.ReadFile(p)
			if err != nil {
				return err
			}
			line += " " + string(b)
		case "c":
			line = "whiteout " + rel
		case "d":
			b := make([]byte, 8)
			if n, err := unix.Lgetxattr(p, UserOverlay+"opaque", b); err == nil {
				line += " opaque=" + string(b[:n])
			}
		}
		lines = append(lines, line)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(lines)
	return slices.DeleteFunc(lines, func(l string) bool { return l == "d0755 ." })
}

func TestExtract(t *testing.T) {
	dev := func(name string, typ byte) member {
		return member{Header: tar.Header{Typeflag: typ, Name: name, Mode: 0o600, Devmajor: 8}}
	}
	tests := []struct {
		name string
		in   []member
		want []string
		err  string
	}{
		{"1a parent", []member{reg("../x", "y")}, nil, `".."`},
		{"1b parent inside", []member{reg("a/../../x", "y")}, nil, `".."`},
		{"1c absolute", []member{reg("/abs", "y")}, []string{"-0644 abs y"}, ""},
		{"1d the root", []member{dir("./")}, nil, ""},
		{
			"1e slashes",
			[]member{reg("a//b", "y"), with(reg("f", "z"), func(h *tar.Header) { h.Name = "./f" })},
			[]string{"-0644 a/b y", "-0644 f z", "d0755 a"},
			"",
		},
		{"2a through a link that leads nowhere", []member{sym("a", "/etc"), reg("a/passwd", "x")}, nil, "leads nowhere"},
		{
			"2a through a link inside",
			[]member{dir("etc"), sym("a", "/etc"), reg("a/passwd", "x")},
			[]string{"-0644 etc/passwd x", "d0755 etc", "l a -> /etc"},
			"",
		},
		{
			"2b chain to the root",
			[]member{sym("a", "b"), sym("b", "c"), sym("c", "/"), reg("a/f", "x")},
			[]string{"-0644 f x", "l a -> b", "l b -> c", "l c -> /"},
			"",
		},
		{
			"2b out of the root",
			[]member{sym("a", "../../../.."), reg("a/f", "x")},
			[]string{"-0644 f x", "l a -> ../../../.."},
			"",
		},
		{"2c root as a link", []member{sym(".", "/etc")}, nil, "must be a directory"},
		{"2c root as a link again", []member{sym("/.", "/etc")}, nil, "must be a directory"},
		{"2d loop", []member{sym("a", "b"), sym("b", "a"), reg("a/f", "x")}, nil, "symbolic link"},
		{"2e link kept", []member{dir("d"), sym("d/l", "../../etc")}, []string{"d0755 d", "l d/l -> ../../etc"}, ""},
		{"3a hard link out", []member{hard("s", "../../etc/shadow")}, nil, `".."`},
		{"3b absolute hard link", []member{hard("s", "/etc/passwd")}, nil, "no such file"},
		{
			"3b inside",
			[]member{reg("etc/shadow", "x"), hard("s", "/etc/shadow")},
			[]string{"-0644 etc/shadow x", "-0644 s x", "d0755 etc"},
			"",
		},
		{
			"3c hard link to a link",
			[]member{sym("a", "/etc/passwd"), hard("s", "a")},
			[]string{"l a -> /etc/passwd", "l s -> /etc/passwd"},
			"",
		},
		{"3c hard link through a link", []member{sym("a", "/etc"), hard("s", "a/passwd")}, nil, "no such file"},
		{"3d later target", []member{hard("s", "f"), reg("f", "x")}, nil, "no such file"},
		{"3d itself", []member{reg("f", "x"), hard("f", "f")}, nil, "cannot be linked"},
		{"3e directory", []member{dir("d"), hard("s", "d")}, nil, "cannot be linked"},
		{"3 whiteout", []member{reg(".wh.d", ""), hard("s", "d")}, nil, "no such file"},
		{"4a", []member{reg(".wh...", "")}, nil, "without a name"},
		{"4b", []member{reg(".wh.", "")}, nil, "without a name"},
		{"4c", []member{reg(".wh.a/b", "x")}, nil, "name of a whiteout"},
		{"4d", []member{reg("a/.wh..", "")}, nil, "without a name"},
		{"4e opaque", []member{reg("a/.wh..wh..opq", "")}, []string{"d0755 a opaque=y"}, ""},
		{"4f whiteout below a link out", []member{sym("l", "/etc"), reg("l/.wh.x", "")}, []string{"l l -> /etc"}, ""},
		{"4f whiteout below a link", []member{dir("etc"), sym("l", "/etc"), reg("l/.wh.x", "")}, []string{"d0755 etc", "l l -> /etc"}, ""},
		{"4f whiteout, then a link", []member{dir("etc"), reg("l/.wh.x", ""), sym("l", "/etc")}, []string{"d0755 etc", "l l -> /etc"}, ""},
		{"4f opaque below a link", []member{dir("etc"), sym("l", "etc"), reg("l/.wh..wh..opq", "")}, []string{"d0755 etc", "l l -> etc"}, ""},
		{"4f whiteout below a file", []member{reg("f", "x"), reg("f/.wh.x", ""), reg("f/g/.wh..wh..opq", "")}, []string{"-0644 f x"}, ""},
		{"4f whiteout below a whiteout", []member{reg("d/.wh.x", ""), reg(".wh.d", "")}, []string{"whiteout d"}, ""},
		{"4g nothing there", []member{reg(".wh.nothing", "")}, []string{"whiteout nothing"}, ""},
		{"4h whiteout first", []member{reg(".wh.a", ""), reg("a", "x")}, []string{"-0644 a x"}, ""},
		{"4h file first", []member{reg("a", "x"), reg(".wh.a", "")}, []string{"-0644 a x"}, ""},
		{"4h whiteout, then directory", []member{reg(".wh.a", ""), dir("a")}, []string{"d0755 a opaque=y"}, ""},
		{"4h directory, then whiteout", []member{dir("a"), reg(".wh.a", "")}, []string{"d0755 a opaque=y"}, ""},
		{"4h whiteout, then below it", []member{reg(".wh.a", ""), reg("a/b", "x")}, []string{"-0644 a/b x", "d0755 a opaque=y"}, ""},
		{"4 aufs", []member{reg(".wh..wh.plnk", "abc")}, nil, ""},
		{"5 file, directory, link", []member{reg("a", "one"), dir("a"), reg("a/b", "two"), sym("a", "/x")}, []string{"l a -> /x"}, ""},
		{
			"5 directory over directory",
			[]member{reg("a/b", "x"), with(dir("a"), func(h *tar.Header) { h.Mode = 0o700 })},
			[]string{"-0644 a/b x", "d0700 a"},
			"",
		},
		{"5 file over directory", []member{reg("a/b/c", "x"), reg("a", "y")}, []string{"-0644 a y"}, ""},
		{"5 twice", []member{reg("a", "one"), reg("a", "three"), reg("a", "four")}, []string{"-0644 a four"}, ""},
		{"5 name of a hard link replaced", []member{reg("a", "one"), hard("b", "a"), reg("a", "two")}, []string{"-0644 a two", "-0644 b one"}, ""},
		{
			"5 a link replaced through itself",
			[]member{dir("b"), sym("l", "."), sym("l/l", "b"), reg("l/z", "x")},
			[]string{"-0644 b/z x", "d0755 b", "l l -> b"},
			"",
		},
		{"5 below a file", []member{reg("a", "one"), reg("a/b", "two")}, nil, "not a directory"},
		{"6a devices", []member{dev("dev/sda", tar.TypeBlock), dev("dev/null", tar.TypeChar), hard("dev/zero", "dev/null")}, []string{"d0755 dev"}, ""},
		{"6a device over a file", []member{reg("x", "abc"), dev("x", tar.TypeChar)}, nil, ""},
		{"6b fifo", []member{dev("f", tar.TypeFifo)}, []string{"p0600 f"}, ""},
		{
			"6d modes",
			[]member{with(reg("a", ""), func(h *tar.Header) { h.Mode = 0o6755 }), with(dir("t"), func(h *tar.Header) { h.Mode = 0o1777 })},
			[]string{"-6755 a ", "d1777 t"},
			"",
		},
		{"6f overlay attributes", []member{with(dir("t"), func(h *tar.Header) {
			h.PAXRecords = map[string]string{PAXXattr + "user.overlay.opaque": "y", PAXXattr + "trusted.overlay.opaque": "y", PAXXattr + "user.containers.override_stat": "0:0:0"}
		})}, []string{"d0755 t"}, ""},
		{"7c negative owner", []member{with(reg("a", ""), func(h *tar.Header) { h.Uid, h.Format = -1, tar.FormatGNU })}, nil, "out of range"},
		{"7b huge owner", []member{with(reg("a", ""), func(h *tar.Header) { h.Uid = 1 << 33 })}, nil, "out of range"},
		{"7f times", []member{
			with(reg("a", ""), func(h *tar.Header) { h.ModTime = time.Unix(-5, 0) }),
			with(reg("b", ""), func(h *tar.Header) { h.ModTime = time.Unix(1<<34, 5) }),
		}, []string{"-0644 a ", "-0644 b "}, ""},
		{"7g type bits in the mode", []member{with(reg("a", ""), func(h *tar.Header) { h.Mode = 0o100600 })}, []string{"-0600 a "}, ""},
		{"7g mode", []member{with(reg("a", ""), func(h *tar.Header) { h.Mode = 0o1000600 })}, nil, "mode"},
		{"8a odd names", []member{reg("a\nb\xff\x01", "x")}, []string{"-0644 a\nb\xff\x01 x"}, ""},
		{"8b 255 bytes", []member{reg(strings.Repeat("n", 255), "x")}, []string{"-0644 " + strings.Repeat("n", 255) + " x"}, ""},
		{"8b 256 bytes", []member{reg(strings.Repeat("n", 256), "x")}, nil, "too long"},
		{"8b long path", []member{reg(strings.Repeat("d/", maxMember/2)+"f", "x")}, nil, "too long"},
		{"8f case", []member{reg("A", "x"), reg("a", "y")}, []string{"-0644 A x", "-0644 a y"}, ""},
		{"implicit directory", []member{reg("usr/lib/f", "x")}, []string{"-0644 usr/lib/f x", "d0755 usr", "d0755 usr/lib"}, ""},
		{
			"read-only directory first",
			[]member{with(dir("r"), func(h *tar.Header) { h.Mode = 0o555 }), reg("r/f", "x")},
			[]string{"-0644 r/f x", "d0555 r"},
			"",
		},
		{"global header", []member{{Header: tar.Header{Typeflag: tar.TypeXGlobalHeader, PAXRecords: map[string]string{"comment": "x"}}}, reg("a", "")}, []string{"-0644 a "}, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			stream := makeTar(t, tt.in...)
			lines, again, err := unpack(t, stream)
			if tt.err != "" {
				if err == nil || !strings.Contains(err.Error(), tt.err) {
					t.Fatalf("got error %v and %q, want %q", err, lines, tt.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(tt.want, lines); d != "" && len(tt.want)+len(lines) > 0 {
				t.Errorf("files (-want +got):\n%s", d)
			}
			if !bytes.Equal(stream, again) {
				t.Errorf("the stream given back differs: %d bytes, want %d", len(again), len(stream))
			}
		})
	}
}

func TestExtractStreams(t *testing.T) {
	good := makeTar(t, reg("a", "some content"), reg("b", "more"))
	tests := []struct {
		name string
		in   []byte
		err  string
	}{
		{"9c trailing bytes", append(bytes.Clone(good), "garbage that is part of the digest"...), ""},
		{"9c too many of them", append(bytes.Clone(good), make([]byte, 2<<20)...), "follow the tar stream"},
		{"9d cut in a header", good[:300], "unexpected EOF"},
		{"9d cut in content", good[:517], "unexpected EOF"},
		{"no end", good[:1024], ""},
		{"empty", nil, ""},
		{"noise", bytes.Repeat([]byte("noise"), 500), "invalid tar header"},
		{"8e sparse, 8 EiB", sparseTar(t), "sparse files of more than"},
		{"8d huge PAX header", hugePAX(t), ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, again, err := unpack(t, tt.in)
			if tt.err == "" && err == nil {
				if !bytes.Equal(tt.in, again) {
					t.Error("the stream given back differs")
				}
				return
			}
			if tt.name == "8d huge PAX header" && err != nil {
				return
			}
			if err == nil || !strings.Contains(err.Error(), tt.err) || tt.err == "" {
				t.Errorf("got %v, want %q", err, tt.err)
			}
		})
	}
}

// sparseTar is a stream with an old GNU sparse member of 8 EiB.
func sparseTar(t *testing.T) []byte {
	b := makeTar(t, reg("s", ""))
	b[156] = 'S'
	copy(b[257:], "ustar  \x00")
	copy(b[386:], "00000000000\x0000000000000\x00")
	copy(b[483:], "\x80\x00\x00\x00\x7f\xff\xff\xff\xff\xff\xff\xff")
	for i := range 8 {
		b[148+i] = ' '
	}
	sum := 0
	for _, c := range b[:512] {
		sum += int(c)
	}
	copy(b[148:], fmt.Sprintf("%06o\x00 ", sum))
	return b
}

func hugePAX(t *testing.T) []byte {
	return makeTar(t, with(reg("a", ""), func(h *tar.Header) {
		h.PAXRecords = map[string]string{"comment": strings.Repeat("x", 900<<10)}
	}))
}

// An opaque root hides everything below, which overlay would not do itself, and
// directories that only the layers below describe keep their metadata.
func TestExtractOnLowers(t *testing.T) {
	low := t.TempDir()
	for _, d := range []string{"etc", "usr", "var/lib"} {
		if err := os.MkdirAll(filepath.Join(low, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(filepath.Join(low, "var/lib"), 0o711); err != nil {
		t.Fatal(err)
	}
	lines, _, err := unpack(t, makeTar(t, reg(".wh..wh..opq", ""), reg("etc/x", "y"), reg("var/lib/f", "z")), low)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"-0644 etc/x y", "-0644 var/lib/f z", "d0711 var/lib", "d0755 etc opaque=y", "d0755 var opaque=y", "whiteout usr"}
	if d := cmp.Diff(want, lines); d != "" {
		t.Errorf("files (-want +got):\n%s", d)
	}
}

func TestExtractLimits(t *testing.T) {
	var many []member
	for range 3 {
		many = append(many, reg("a", strings.Repeat("x", 400<<10)))
	}
	if _, _, err := unpack(t, makeTar(t, many...)); err != nil {
		t.Error("800 KiB replaced:", err)
	}
	many = append(many, many...)
	if _, _, err := unpack(t, makeTar(t, many...)); err == nil || !strings.Contains(err.Error(), "replaced") {
		t.Errorf("2 MiB replaced: got %v", err)
	}
}

func FuzzExtract(f *testing.F) {
	f.Add(makeTar(f, reg("a", "x"), sym("b", "/a"), hard("c", "a"), reg("b/.wh.x", "")))
	f.Add(makeTar(f, dir("d"), sym("d/l", "/"), reg("d/l/f", "x"), reg("d", "y"), reg(".wh..wh..opq", "")))
	f.Fuzz(func(t *testing.T, stream []byte) {
		_, again, err := unpack(t, stream)
		if err == nil && !bytes.Equal(stream, again) {
			t.Errorf("the stream given back differs")
		}
	})
}

// nobody leaves files to the user who runs the test.
type nobody struct{ owner.Kernel }

func (n nobody) Set(dir int, name string, m owner.Meta) error {
	m.UID, m.GID = os.Getuid(), os.Getgid()
	return n.Kernel.Set(dir, name, m)
}
