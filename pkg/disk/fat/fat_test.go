// SPDX-License-Identifier: MPL-2.0

package fat

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/carosio/carosbuild/pkg/disk/disktest"
	"github.com/carosio/carosbuild/pkg/disk/image"
	"github.com/carosio/carosbuild/pkg/disk/tree"
	"github.com/carosio/carosbuild/pkg/tooltest"
)

func run(t testing.TB, name string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), tooltest.Find(t, name), args...)
	cmd.Env = append(os.Environ(), "LC_ALL=C.UTF-8", "TZ=UTC", "MTOOLS_SKIP_CHECK=0")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}

// mk builds a tree from paths: "dir/" is a directory, others are files.
func mk(files map[string]string) *tree.Tree {
	const mtime = 1700000001 // 2023-11-14 22:13:21
	es := map[string]tree.Entry{"": {Mode: tree.Dir | 0o755, Mtime: mtime}}
	for p, c := range files {
		for d := filepath.Dir(p); d != "."; d = filepath.Dir(d) {
			es[d] = tree.Entry{Path: d, Mode: tree.Dir | 0o755, Mtime: mtime}
		}
		if d, ok := strings.CutSuffix(p, "/"); ok {
			es[d] = tree.Entry{Path: d, Mode: tree.Dir | 0o755, Mtime: mtime}
			continue
		}
		es[p] = tree.Entry{Path: p, Mode: tree.Regular | 0o644, Mtime: mtime, Size: int64(len(c)), Content: image.Bytes(c)}
	}
	t := &tree.Tree{}
	for _, e := range es {
		t.Entries = append(t.Entries, e)
	}
	slices.SortFunc(t.Entries, func(a, b tree.Entry) int { return tree.Compare(a.Path, b.Path) })
	return t
}

// readBack copies everything out with mtools.
func readBack(t testing.TB, fs string) map[string]string {
	t.Helper()
	dir := t.TempDir()
	run(t, "mcopy", "-s", "-n", "-m", "-Q", "-i", fs, "::", dir)
	got := map[string]string{}
	err := filepath.WalkDir(dir, func(p string, d os.DirEntry, err error) error {
		if err != nil || p == dir {
			return err
		}
		rel, _ := filepath.Rel(dir, p)
		if d.IsDir() {
			got[rel+"/"] = ""
			return nil
		}
		b, err := os.ReadFile(p)
		got[rel] = string(b)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func fsck(t testing.TB, fs string) {
	t.Helper()
	out := run(t, "fsck.vfat", "-n", "-v", fs)
	for _, bad := range []string{"dirty", "unterminated", "Differences", "wrong", "orphan", "uninitialized"} {
		if strings.Contains(strings.ToLower(out), strings.ToLower(bad)) {
			t.Errorf("fsck.vfat:\n%s", out)
		}
	}
}

// withDirs adds the directories of every path, as readBack lists them.
func withDirs(files map[string]string) map[string]string {
	out := map[string]string{}
	for p, c := range files {
		out[p] = c
		for d := filepath.Dir(strings.TrimSuffix(p, "/")); d != "."; d = filepath.Dir(d) {
			out[d+"/"] = ""
		}
	}
	return out
}

func TestContent(t *testing.T) {
	many := map[string]string{}
	for i := range 300 {
		many[fmt.Sprintf("a rather long name, number %03d.conf", i)] = strings.Repeat("x", i)
	}
	tests := map[string]map[string]string{
		"empty": {},
		"esp": {
			"vmlinuz": strings.Repeat("k", 70001), "initrd.img": "i", "EFI/BOOT/BOOTX64.EFI": "MZ",
			"loader/loader.conf": "default caros.conf\n", "loader/entries/caros.conf": "title\n", "grub/grub.cfg": "",
		},
		"names": {
			"Makefile": "1", "README": "2", "readme.TXT": "3", "a.tar.gz": "4", "longnam~1.txt": "5", "longname.longer": "6",
			"LONGNAMES.txt": "7", ".config": "8", "Größe.txt": "9", "日本語のファイル.bin": "10", "x+y=[z];.d": "11",
			"exactly13char": "12", "twenty-six characters long": "13", "éa": "14", "éb": "15", "noext.": "",
		},
		"deep": {"a/b/c/d/e/f/g/h/i/j": "deep", "a/empty/": "", "z": ""},
		"many": many,
	}
	delete(tests["names"], "noext.")
	for name, files := range tests {
		for _, bits := range []int{16, 32} {
			if bits == 16 && name == "many" { // too many for the root directory
				files = below("d", files)
			}
			t.Run(fmt.Sprint(name, bits), func(t *testing.T) { checkContent(t, files, bits) })
		}
	}
}

func checkContent(t *testing.T, files map[string]string, bits int) {
	m, err := Build(mk(files), Options{Size: 40 << 20, Label: "CAROSESP", Serial: 0xCA405E5B, Hidden: 4096, Bits: bits})
	if err != nil {
		t.Fatal(err)
	}
	fs := disktest.Save(t, m, 1)
	fsck(t, fs)
	if diff := cmp.Diff(withDirs(files), readBack(t, fs)); diff != "" {
		t.Errorf("read back (-want +got):\n%s", diff)
	}
	out := run(t, "minfo", "-i", fs, "::")
	for _, want := range []string{"serial number: CA405E5B", `disk label="CAROSESP   "`, "hidden sectors: 4096", fmt.Sprintf(`disk type="FAT%d   "`, bits)} {
		if !strings.Contains(strings.ReplaceAll(out, "Big fatlen", ""), want) {
			t.Errorf("minfo lacks %q:\n%s", want, out)
		}
	}
}

// below puts files into a directory.
func below(dir string, files map[string]string) map[string]string {
	out := map[string]string{}
	for p, c := range files {
		out[dir+"/"+p] = c
	}
	return out
}

func TestTimes(t *testing.T) {
	tr := mk(map[string]string{"old": "", "now": "", "new": ""})
	tr.Entries[1].Mtime = 5000000000 // 2128: "new"
	tr.Entries[3].Mtime = -1         // "old"
	m, err := Build(tr, Options{Size: 40 << 20})
	if err != nil {
		t.Fatal(err)
	}
	out := run(t, "mdir", "-i", disktest.Save(t, m, 1), "::")
	for _, want := range []string{"new", "2107-12-31  23:59", "2023-11-14  22:13", "1980-01-01   0:00"} {
		if !strings.Contains(out, want) {
			t.Errorf("mdir lacks %q:\n%s", want, out)
		}
	}
	date, clock, hundredths := stamp(1700000001)
	got := []int{int(date>>9) + 1980, int(date >> 5 & 15), int(date & 31), int(clock >> 11), int(clock >> 5 & 63), int(clock & 31), int(hundredths)}
	want := []int{2023, 11, 14, 22, 13, 10, 100}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("stamp (-want +got):\n%s", diff)
	}
}

// TestGeometry compares with the output of mkfs.fat 4.2.
func TestGeometry(t *testing.T) {
	for _, tt := range []struct{ mib, perCluster, fat, clusters int64 }{
		{40, 1, 630, 80628},
		{64, 1, 1009, 129022},
		{100, 1, 1576, 201616},
		{128, 1, 2017, 258078},
		{256, 1, 4033, 516190},
	} {
		g, err := newGeometry(tt.mib<<20, 0)
		if err != nil {
			t.Fatal(err)
		}
		want := geometry{bits: 32, reserved: 32, sectors: tt.mib << 11, perCluster: tt.perCluster, fatSectors: tt.fat, clusters: tt.clusters}
		if diff := cmp.Diff(want, g, cmp.AllowUnexported(geometry{})); diff != "" {
			t.Errorf("%d MiB (-want +got):\n%s", tt.mib, diff)
		}
	}
}

// TestLikeMkfs compares FAT16's boot sector with mkfs.fat's.
func TestLikeMkfs(t *testing.T) {
	for _, mib := range []int64{9, 16, 17, 32, 64, 128, 129, 200, 256, 512, 513, 1024, 1025, 2048, 2049, 4095} {
		want := filepath.Join(t.TempDir(), "mkfs")
		if err := os.WriteFile(want, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Truncate(want, mib<<20); err != nil {
			t.Fatal(err)
		}
		run(t, "mkfs.fat", "-F", "16", "-i", "CA405E5B", "-n", "LABEL", "-h", "77", "-g", "64/32", want) // tracks that divide a MiB
		m, err := Build(mk(nil), Options{Size: mib << 20, Label: "LABEL", Serial: 0xCA405E5B, Hidden: 77, Bits: 16})
		if err != nil {
			t.Fatal(err)
		}
		fs := disktest.Save(t, m, 1)
		fsck(t, fs)
		got := bootSectors(t, fs, want)
		if diff := cmp.Diff(got[0], got[1]); diff != "" {
			t.Errorf("%d MiB (-got +want):\n%s", mib, diff)
		}
	}
}

// bootSectors reads the sectors up to the code, without the name of the program and
// the heads and sectors of a drive.
func bootSectors(t *testing.T, files ...string) (out [][]byte) {
	t.Helper()
	for _, name := range files {
		f, err := os.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		b := make([]byte, 62)
		if _, err := f.ReadAt(b, 0); err != nil {
			t.Fatal(err)
		}
		clear(b[24:28])
		out = append(out, slices.Delete(b, 3, 11))
	}
	return out
}

func TestSizes(t *testing.T) {
	tr := mk(map[string]string{"f": strings.Repeat("y", 100000), "d/g": "z"})
	for _, size := range []int64{34 << 20, 259 << 20, 260 << 20, 1<<30 + 511, 9 << 30, 17 << 30, 40 << 30} {
		m, err := Build(tr, Options{Size: size})
		if err != nil {
			t.Fatalf("%d: %v", size, err)
		}
		if m.Size() != size {
			t.Errorf("size %d, want %d", m.Size(), size)
		}
		fsck(t, disktest.Save(t, m, 1))
	}
}

func TestMinSize(t *testing.T) {
	for _, n := range []int64{0, 30 << 20, 31<<20 + 1, 33 << 20, 100 << 20, 255 << 20, 258 << 20, 300 << 20, 3 << 30} {
		tr := &tree.Tree{Entries: []tree.Entry{{Mode: tree.Dir}, {Path: "f", Mode: tree.Regular, Size: n, Content: zeros{}}}}
		size, err := MinSize(tr, Options{Label: "L"})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Build(tr, Options{Size: size, Label: "L"}); err != nil {
			t.Errorf("%d bytes in MinSize %d: %v", n, size, err)
		}
		if size > max(n+n/32+3<<20, 34<<20) {
			t.Errorf("MinSize %d for %d bytes is wasteful", size, n)
		}
	}
}

type zeros struct{}

func (zeros) ReadAt(p []byte, _ int64) (int, error) { clear(p); return len(p), nil }

func TestHolesAndHardlinks(t *testing.T) {
	data := bytes.Repeat([]byte{7}, 5000)
	tr := &tree.Tree{Entries: []tree.Entry{
		{Mode: tree.Dir | 0o755},
		{Path: "a", Mode: tree.Regular, Size: 1 << 20, Content: image.Bytes(append(make([]byte, 4096), data...)), Data: []tree.Range{{Off: 4096, Len: 5000}}},
		{Path: "b", Hardlink: "a"},
	}}
	m, err := Build(tr, Options{Size: 40 << 20})
	if err != nil {
		t.Fatal(err)
	}
	fs := disktest.Save(t, m, 1)
	fsck(t, fs)
	want := string(append(append(make([]byte, 4096), data...), make([]byte, 1<<20-4096-5000)...))
	got := readBack(t, fs)
	for _, p := range []string{"a", "b"} {
		if got[p] != want {
			t.Errorf("%s differs: %d bytes", p, len(got[p]))
		}
	}
}

func TestErrors(t *testing.T) {
	one := func(e tree.Entry) *tree.Tree {
		return &tree.Tree{Entries: []tree.Entry{{Mode: tree.Dir}, e}}
	}
	file := func(name string) *tree.Tree { return one(tree.Entry{Path: name, Mode: tree.Regular}) }
	tests := []struct {
		name string
		tree *tree.Tree
		o    Options
		is   error
		text string
	}{
		{"big file", one(tree.Entry{Path: "f", Mode: tree.Regular, Size: 1 << 32, Content: zeros{}}), Options{Size: 8 << 30}, ErrFileSize, "/f: "},
		{"symlink", one(tree.Entry{Path: "l", Mode: tree.Symlink, Link: "x"}), Options{}, ErrFileType, "/l: "},
		{"device", one(tree.Entry{Path: "d", Mode: tree.Char}), Options{}, ErrFileType, "/d: "},
		{"colon", file("a:b"), Options{}, ErrName, `/a:b: name not allowed on FAT: character ':'`},
		{"dot", file("a."), Options{}, ErrName, "ends in a dot"},
		{"latin1", file("\xe9"), Options{}, ErrName, "UTF-8"},
		{"long", file(strings.Repeat("n", 256)), Options{}, ErrName, "255"},
		{"label", mk(nil), Options{Label: "TWELVE CHARS"}, ErrLabel, "TWELVE CHARS"},
		{"label umlaut", mk(nil), Options{Label: "Ä"}, ErrLabel, "Ä"},
		{"no root", &tree.Tree{}, Options{}, ErrTree, ""},
		{"huge", mk(nil), Options{Size: 2 << 40}, ErrTooBig, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if tt.o.Size == 0 {
				tt.o.Size = 40 << 20
			}
			_, err := Build(tt.tree, tt.o)
			if !errors.Is(err, tt.is) || !strings.Contains(err.Error(), tt.text) {
				t.Errorf("got %v, want %v with %q", err, tt.is, tt.text)
			}
		})
	}
	_, err := Build(mk(map[string]string{"d/Caros.conf": "", "d/caros.CONF": ""}), Options{Size: 40 << 20})
	want := &CollisionError{Path: "d/caros.CONF", Other: "d/Caros.conf"}
	if got := (*CollisionError)(nil); !errors.As(err, &got) || *got != *want {
		t.Errorf("got %v, want %v", err, want)
	}
	_, err = Build(mk(nil), Options{Size: 30 << 20})
	if got := (*TooSmallError)(nil); !errors.As(err, &got) || got.Min != 33<<20 {
		t.Errorf("got %v, want TooSmallError of 33 MiB", err)
	}
	_, err = Build(one(tree.Entry{Path: "f", Mode: tree.Regular, Size: 50 << 20, Content: zeros{}}), Options{Size: 40 << 20})
	if got := (*SpaceError)(nil); !errors.As(err, &got) || got.Need != 50<<20+512 || got.Have != 80628*512 || got.MinSize != 51<<20 {
		t.Errorf("got %+v", err)
	}
}

func TestReproducible(t *testing.T) {
	files := map[string]string{"a": "1", "Long Name.conf": "2", "d/e": "3"}
	var got []string
	for range 2 {
		m, err := Build(mk(files), Options{Size: 34 << 20, Label: "L", Time: 1})
		if err != nil {
			t.Fatal(err)
		}
		b, err := os.ReadFile(disktest.Save(t, m, 1))
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, string(b))
		time.Sleep(time.Millisecond)
	}
	if got[0] != got[1] {
		t.Error("two builds of the same tree differ")
	}
}
