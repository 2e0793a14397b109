// SPDX-License-Identifier: MPL-2.0

package squashfs

import (
	"bytes"
	"fmt"
	"hash/crc32"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/carosio/carosbuild/pkg/disk/tree"
)

// tool runs a program of package squashfs-tools.
func tool(t testing.TB, name string, args ...string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		if os.Getenv("CAROSBUILD_REQUIRE_TOOLS") == "1" {
			t.Fatalf("no %s (package squashfs-tools)", name)
		}
		t.Skipf("no %s (package squashfs-tools)", name)
	}
	cmd := exec.CommandContext(t.Context(), path, args...)
	cmd.Env = append(os.Environ(), "TZ=UTC", "LC_ALL=C")
	var diag bytes.Buffer
	cmd.Stderr = &diag
	out, err := cmd.Output()
	if slices.Contains(args, "-no-xattrs") && cmd.ProcessState.ExitCode() == 2 {
		return string(out) // an ordinary user cannot make devices
	}
	if err != nil || diag.Len() > 0 {
		t.Fatalf("%s %v: %v\n%.3000s", name, args, err, diag.String())
	}
	return string(out)
}

// build makes a file system in a file.
func build(t testing.TB, tr *tree.Tree, o Options) string {
	t.Helper()
	spool, err := os.Create(filepath.Join(t.TempDir(), "spool"))
	if err != nil {
		t.Fatal(err)
	}
	defer spool.Close()
	m, err := Build(t.Context(), tr, spool, o)
	if err != nil {
		t.Fatal(err)
	}
	if m.Size()%align != 0 {
		t.Errorf("size is %d", m.Size())
	}
	f, err := os.Create(filepath.Join(t.TempDir(), "fs"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := io.Copy(f, io.NewSectionReader(m, 0, m.Size())); err != nil {
		t.Fatal(err)
	}
	return f.Name()
}

// view is what a tree or an unpacked file system says about an entry.
type view struct {
	Mode, UID, GID uint32
	Mtime          int64
	Size           int64 // of a file
	Sum            uint32
	Link           string
	Rdev           tree.Device
	Xattrs         map[string]string
	Same           string // first name of the same inode
}

// wanted is what unpacking should give. An ordinary user can unpack neither
// owners nor devices nor most attributes.
func wanted(t testing.TB, tr *tree.Tree) map[string]view {
	t.Helper()
	out := map[string]view{}
	for _, e := range tr.Entries {
		if e.Hardlink != "" {
			v := out[e.Hardlink]
			v.Same = e.Hardlink
			out[e.Path] = v
			continue
		}
		v := view{Mode: e.Mode, UID: e.UID, GID: e.GID, Mtime: e.Mtime, Link: e.Link, Rdev: e.Rdev, Xattrs: map[string]string{}}
		for _, x := range e.Xattrs {
			v.Xattrs[x.Name] = string(x.Value)
		}
		if e.Type() == tree.Regular {
			v.Size, v.Sum = e.Size, sum(t, e.Content, e.Size)
		}
		out[e.Path] = v.asUser()
	}
	return out
}

func (v view) asUser() view {
	if os.Geteuid() != 0 {
		v.UID, v.GID, v.Xattrs = 0, 0, nil
		v.Mode &^= 0o7022 // the umask
	}
	return v
}

func sum(t testing.TB, r io.ReaderAt, size int64) uint32 {
	t.Helper()
	h := crc32.NewIEEE()
	if size > 0 {
		if n, err := io.Copy(h, io.NewSectionReader(r, 0, size)); err != nil || n != size {
			t.Fatalf("read %d bytes of %d: %v", n, size, err)
		}
	}
	return h.Sum32()
}

// verify unpacks an image and compares everything.
func verify(t testing.TB, image string, tr *tree.Tree) {
	t.Helper()
	got, want := unpacked(t, image), wanted(t, tr)
	if os.Geteuid() != 0 {
		for p, v := range want {
			if k := v.Mode & tree.TypeMask; k == tree.Char || k == tree.Block {
				delete(want, p)
			}
		}
	}
	if diff := cmp.Diff(got, want); diff != "" {
		t.Fatalf("unpacked (-), tree (+):\n%.6000s", diff)
	}
}

// sorted makes a tree of entries; the root is added when it is missing.
func sorted(entries ...tree.Entry) *tree.Tree {
	entries = slices.Clone(entries)
	if !slices.ContainsFunc(entries, func(e tree.Entry) bool { return e.Path == "" }) {
		entries = append(entries, tree.Entry{Mode: tree.Dir | 0o755, Mtime: 1})
	}
	slices.SortFunc(entries, func(a, b tree.Entry) int { return tree.Compare(a.Path, b.Path) })
	return &tree.Tree{Entries: entries}
}

func regular(path, content string) tree.Entry {
	return tree.Entry{Path: path, Mode: tree.Regular | 0o644, Mtime: 1700000000, Size: int64(len(content)), Content: strings.NewReader(content)}
}

func dir(path string) tree.Entry {
	return tree.Entry{Path: path, Mode: tree.Dir | 0o755, Mtime: 1700000000}
}

// noise is incompressible.
func noise(seed uint64, n int) string {
	r := rand.New(rand.NewPCG(seed, 9))
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return string(b)
}

// randomTree makes a tree of about n entries of all kinds.
func randomTree(rnd *rand.Rand, n int) *tree.Tree {
	entries := []tree.Entry{meta(rnd, tree.Entry{Mode: tree.Dir | 0o755})}
	dirs, files, seen := []string{""}, []string{}, map[string]bool{"": true}
	place := func() string {
		p := strings.TrimPrefix(dirs[rnd.IntN(len(dirs))]+"/"+randomName(rnd), "/")
		if seen[p] {
			return ""
		}
		seen[p] = true
		return p
	}
	for i := range n {
		p := place()
		if p == "" {
			continue
		}
		e := meta(rnd, tree.Entry{Path: p})
		switch rnd.IntN(16) {
		case 0, 1, 2:
			e.Mode |= tree.Dir | 0o700 // to be read back
			dirs = append(dirs, p)
		case 3, 4:
			e.Mode = tree.Symlink | 0o777
			e.Link = fmt.Sprintf("%0*d", 1+rnd.IntN(4000), i)
			e.Xattrs = slices.DeleteFunc(e.Xattrs, func(x tree.Xattr) bool { return strings.HasPrefix(x.Name, "user.") })
		case 5:
			e.Mode |= tree.Char
			e.Rdev = tree.Device{Major: rnd.Uint32N(1 << 12), Minor: rnd.Uint32N(1 << 20)}
			e.Xattrs = nil
		case 6:
			e.Mode |= tree.Block
			e.Rdev = tree.Device{Major: rnd.Uint32N(256), Minor: rnd.Uint32N(256)}
			e.Xattrs = nil
		case 7:
			e.Mode |= tree.FIFO
			e.Xattrs = nil
		case 8:
			e.Mode |= tree.Socket
			e.Xattrs = nil
		default:
			e.Mode |= tree.Regular
			files = append(files, p)
			randomFile(rnd, &e)
		}
		entries = append(entries, e)
	}
	for range n / 10 {
		if len(files) == 0 {
			break
		}
		first := files[rnd.IntN(len(files))]
		if p := place(); p != "" && tree.Compare(first, p) < 0 {
			entries = append(entries, tree.Entry{Path: p, Hardlink: first})
		}
	}
	return sorted(entries...)
}

func meta(rnd *rand.Rand, e tree.Entry) tree.Entry {
	e.Mode |= rnd.Uint32N(0o10000) | 0o400
	e.UID, e.GID = rnd.Uint32N(1<<31)>>rnd.IntN(31), rnd.Uint32N(1<<31)>>rnd.IntN(31)
	e.Mtime = rnd.Int64N(1 << 32)
	if rnd.IntN(4) > 0 {
		return e
	}
	for i := range rnd.IntN(4) {
		value := noise(rnd.Uint64(), rnd.IntN(200))
		if rnd.IntN(3) == 0 {
			value = "one of several that have the same"
		}
		prefix := []string{"trusted.a", "user.b"}[rnd.IntN(2)]
		e.Xattrs = append(e.Xattrs, tree.Xattr{Name: fmt.Sprint(prefix, i), Value: []byte(value)})
	}
	slices.SortFunc(e.Xattrs, func(a, b tree.Xattr) int { return strings.Compare(a.Name, b.Name) })
	return e
}

func randomName(rnd *rand.Rand) string {
	n := 1 + rnd.IntN(20)
	if rnd.IntN(8) == 0 {
		n = 1 + rnd.IntN(255)
	}
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(1 + rnd.IntN(255))
		if rnd.IntN(4) > 0 || b[i] == '/' || b[i] == '.' {
			b[i] = byte('a' + rnd.IntN(26))
		}
	}
	return string(b)
}

// randomFile makes a file, some of which are the same, compressible or have
// holes.
func randomFile(rnd *rand.Rand, e *tree.Entry) {
	n := []int{rnd.IntN(3), rnd.IntN(200), rnd.IntN(20000), blockSize + rnd.IntN(3) - 1, rnd.IntN(5 * blockSize)}[rnd.IntN(5)]
	content := noise(uint64(rnd.IntN(4)), n)
	if rnd.IntN(2) == 0 {
		content = strings.Repeat("compressible ", n/10)
	}
	b := []byte(content)
	e.Data = nil
	if rnd.IntN(3) == 0 {
		e.Data = []tree.Range{}
		for off := rnd.Int64N(50000); off < int64(len(b)); {
			k := min(1+rnd.Int64N(100000), int64(len(b))-off)
			e.Data = append(e.Data, tree.Range{Off: off, Len: k})
			next := min(off+k+rnd.Int64N(400000), int64(len(b)))
			clear(b[off+k : next])
			off = next
		}
		if len(e.Data) > 0 {
			clear(b[:e.Data[0].Off])
		} else {
			clear(b)
		}
	}
	if e.Size = int64(len(b)); e.Size > 0 {
		e.Content = bytes.NewReader(b)
	}
}
