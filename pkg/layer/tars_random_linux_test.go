// SPDX-License-Identifier: MPL-2.0

package layer

import (
	"archive/tar"
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/carosio/carosbuild/pkg/disk/tree"
	"github.com/carosio/carosbuild/pkg/layer/archive"
)

// tree.Merge makes the same of layers as the store and the kernel's overlay.
func TestMergeLikeOverlay(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	s := openStore(t)
	refused := 0
	const rounds = 40
	for seed := range uint64(rounds) {
		r := rand.New(rand.NewPCG(seed, 7))
		streams := randomLayers(t, r)
		top := ""
		var err error
		for _, stream := range streams {
			var l Layer
			if l, err = s.Apply(t.Context(), top, bytes.NewReader(stream), v1.Hash{}); err != nil {
				break
			}
			top = l.ID
		}
		if err != nil {
			refused++
			if !strings.Contains(err.Error(), "hard link") {
				t.Errorf("seed %d: the store refuses what Merge takes: %v", seed, err)
			}
			continue
		}
		want := mountedTree(t, s, top)
		got, err := tree.Merge(t.Context(), treeLayers(streams), 0, 2)
		if err != nil {
			t.Fatal(err)
		}
		opts := cmp.Options{cmpopts.IgnoreFields(tree.Entry{}, "Content"), cmpopts.EquateEmpty()}
		if diff := cmp.Diff(got, want, opts); diff != "" {
			t.Fatalf("seed %d (-merged +mounted):\n%s\n%s", seed, diff, strings.Join(dump(t, streams), "\n"))
		}
		sameContents(t, got, want)
	}
	if refused > rounds/5 {
		t.Errorf("%d of %d stacks were refused", refused, rounds)
	}
}

func treeLayers(streams [][]byte) []tree.Layer {
	var out []tree.Layer
	for i, s := range streams {
		out = append(out, tree.Layer{Name: fmt.Sprint(i), Tar: bytes.NewReader(s), Size: int64(len(s))})
	}
	return out
}

// mountedTree is the tree from which a disk is made if a stage is in the store.
func mountedTree(t *testing.T, s *Store, top string) *tree.Tree {
	t.Helper()
	root, release, err := s.View(t.Context(), top)
	if err != nil {
		t.Fatal(err)
	}
	src, err := tree.OpenDir(root)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := src.Close(); err != nil {
			t.Error(err)
		}
		if err := release(); err != nil {
			t.Error(err)
		}
	})
	tr, err := src.Read(t.Context(), 0, 2)
	if err != nil {
		t.Fatal(err)
	}
	devices, err := s.Devices(top)
	if err != nil {
		t.Fatal(err)
	}
	b := tree.NewBuilder(0)
	if err := b.AddTree("", tr); err != nil {
		t.Fatal(err)
	}
	for _, d := range devices {
		mode := uint32(tree.Char)
		if d.Block {
			mode = tree.Block
		}
		err := b.Add(tree.Entry{
			Path: d.Path, Mode: mode | d.Mode, UID: uint32(d.UID), GID: uint32(d.GID), Mtime: d.ModTime.Unix(), MtimeNsec: int32(d.ModTime.Nanosecond()),
			Rdev: tree.Device{Major: uint32(d.Major), Minor: uint32(d.Minor)},
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if tr, err = b.Tree(); err != nil {
		t.Fatal(err)
	}
	labels, err := s.Labels(top)
	if err != nil {
		t.Fatal(err)
	}
	add := map[string][]tree.Xattr{}
	for _, l := range labels {
		for name, v := range l.Xattrs {
			add[l.Path] = append(add[l.Path], tree.Xattr{Name: name, Value: v})
		}
	}
	return tr.WithXattrs(add)
}

func sameContents(t *testing.T, got, want *tree.Tree) {
	t.Helper()
	for i := range got.Entries {
		g, w := &got.Entries[i], &want.Entries[i]
		if g.Content == nil {
			continue
		}
		x, err := io.ReadAll(io.NewSectionReader(g.Content, 0, g.Size))
		if err != nil {
			t.Fatal(err)
		}
		if y, err := io.ReadAll(io.NewSectionReader(w.Content, 0, w.Size)); err != nil || !bytes.Equal(x, y) {
			t.Errorf("%s: contents differ (%v)", g.Path, err)
		}
	}
}

// randomLayers are up to four layers with few names, so that they affect each other.
func randomLayers(t *testing.T, r *rand.Rand) [][]byte {
	t.Helper()
	var out [][]byte
	for range 1 + r.IntN(4) {
		var members []member
		for range 1 + r.IntN(14) {
			next := append(slices.Clone(members), randomMember(r, len(out) == 0))
			if _, err := tree.Merge(t.Context(), treeLayers(append(slices.Clone(out), makeTar(t, next...))), 0, 1); err == nil {
				members = next
			}
		}
		out = append(out, makeTar(t, members...))
	}
	return out
}

func randomMember(r *rand.Rand, lowest bool) member {
	name := func() string {
		parts := make([]string, 1+r.IntN(3))
		for i := range parts {
			parts[i] = string(rune('a' + r.IntN(4)))
		}
		return strings.Join(parts, "/")
	}
	in := func(n string, base string) string { return n[:strings.LastIndexByte(n, '/')+1] + base }
	n := name()
	m := randomNode(r)
	if !lowest && r.IntN(6) == 0 { // in a directory that may be a link or a file in this layer
		return reg(n+"/"+[]string{".wh.a", ".wh.b", archive.WhiteoutOpaque}[r.IntN(3)], "")
	}
	switch k := r.IntN(24); {
	case k < 5:
		m = reg(n, strings.Repeat("x", r.IntN(3)*r.IntN(40000)))
		if r.IntN(4) == 0 {
			m = reg(n, strings.Repeat("\x00", 70000)+strings.Repeat("y", r.IntN(100000)))
		}
	case k < 10:
		m = dir(n)
	case k < 12:
		m = sym(n, []string{"/", "..", "/a", "b", "a/b", "../c", "nowhere"}[r.IntN(7)])
	case k < 13:
		m = member{Header: tar.Header{Typeflag: tar.TypeFifo, Name: n}}
	case k < 14:
		return hard(n, name())
	case k < 17 && !lowest:
		m = reg(in(n, ".wh."+n[strings.LastIndexByte(n, '/')+1:]), "")
	case k < 18 && !lowest:
		m = reg(in(n, archive.WhiteoutOpaque), "")
	case k < 20:
		m = dir("./")
	case m.Typeflag == tar.TypeLink:
		return m
	}
	m.Mode = int64(r.IntN(0o10000))
	m.Uid, m.Gid, m.Format = r.IntN(3), r.IntN(1000), tar.FormatPAX
	m.ModTime = time.Unix(1600000000+int64(r.IntN(1000)), int64(r.IntN(3)))
	if m.PAXRecords == nil && r.IntN(3) == 0 {
		m.PAXRecords = map[string]string{archive.PAXXattr + "user.note": fmt.Sprint(r.IntN(5))}
	}
	return m
}

// randomNode is a device node, or a member that affects one. Its name is not that of a
// directory.
func randomNode(r *rand.Rand) member {
	n := fmt.Sprint(r.IntN(3))
	switch r.IntN(6) {
	case 0:
		return labelled(r, reg(n, "x"))
	case 1:
		return reg(".wh."+n, "")
	case 2:
		return hard(n, fmt.Sprint(r.IntN(3)))
	case 3:
		return member{Header: tar.Header{Typeflag: tar.TypeBlock, Name: n, Devmajor: 8, Devminor: int64(r.IntN(3))}}
	}
	return labelled(r, member{Header: tar.Header{Typeflag: tar.TypeChar, Name: n, Devminor: int64(r.IntN(3))}})
}

// labelled gives some members an attribute that a namespace cannot set.
func labelled(r *rand.Rand, m member) member {
	if r.IntN(2) == 0 {
		m.PAXRecords = map[string]string{archive.PAXXattr + "security.selinux": fmt.Sprint(r.IntN(5))}
	}
	return m
}

func dump(t *testing.T, streams [][]byte) []string {
	t.Helper()
	var out []string
	for i, s := range streams {
		tr := tar.NewReader(bytes.NewReader(s))
		for {
			h, err := tr.Next()
			if err != nil {
				break
			}
			out = append(out, fmt.Sprintf("layer %d: %c %s %s", i, h.Typeflag, h.Name, h.Linkname))
		}
	}
	return out
}
