// SPDX-License-Identifier: MPL-2.0

package erofs

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/carosio/carosbuild/pkg/disk/disktest"
	"github.com/carosio/carosbuild/pkg/disk/tree"
	"github.com/carosio/carosbuild/pkg/tooltest"
)

// tool runs a program of package erofs-utils.
func tool(t testing.TB, name string, args ...string) string {
	t.Helper()
	out, diag, err := tooltest.Output(tooltest.Command(t, name, args...))
	if err != nil {
		t.Fatalf("%s %v: %v\n%.3000s", name, args, err, diag)
	}
	return out
}

func someUUID() [16]byte { return [16]byte{1, 2, 3, 15: 9} }

// build makes a file system, into a file.
func build(t testing.TB, tr *tree.Tree, o Options) string {
	t.Helper()
	m, err := Build(tr, o)
	if err != nil {
		t.Fatal(err)
	}
	least, err := MinSize(tr, o)
	if err != nil || least != m.Size() || m.Size()%blockSize != 0 {
		t.Errorf("least size is %d, size %d: %v", least, m.Size(), err)
	}
	return disktest.Save(t, m, 1)
}

// verify unpacks an image and compares everything except for extended attributes,
// hard links and the content of files with holes, which fsck.erofs 1.5 leaves out;
// it changes the owner last.
func verify(t testing.TB, image string, tr *tree.Tree) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "out")
	tool(t, "fsck.erofs", "-d1", "--extract="+dir, image)
	got, want := disktest.Unpacked(t, dir), disktest.Views(t, tr)
	for _, e := range tr.Entries {
		path := e.Path
		if first, err := tr.Lookup(e.Hardlink); e.Hardlink != "" && err == nil {
			e = *first
		}
		if n := (&inode{entry: &e, size: e.Size}); e.Type() == tree.Regular && n.cut() {
			g := got[path]
			g.Size, g.Sum = want[path].Size, want[path].Sum
			got[path] = g
		}
	}
	for _, views := range []map[string]disktest.View{got, want} {
		disktest.AsUser(views)
		for p, v := range views {
			v.Xattrs, v.Same = nil, ""
			if v.Mode&tree.TypeMask != tree.Dir {
				v.Mode &^= 0o6000
			}
			views[p] = v
		}
	}
	if diff := cmp.Diff(got, want); diff != "" {
		t.Fatalf("unpacked (-), tree (+):\n%.6000s", diff)
	}
}

// randomTree has only what fsck.erofs can unpack: paths of 4096 bytes at most, and
// for an ordinary user no devices.
func randomTree(rnd *rand.Rand, n int) *tree.Tree {
	return disktest.Trees{
		Size: func(rnd *rand.Rand) int {
			return []int{rnd.IntN(3), rnd.IntN(200), rnd.IntN(20000), blockSize*rnd.IntN(3) + rnd.IntN(3), rnd.IntN(50 * blockSize)}[rnd.IntN(5)]
		},
		Time: func(rnd *rand.Rand) (int64, int32) {
			if rnd.IntN(3) == 0 {
				return 5, 0 // as in the superblock
			}
			return rnd.Int64N(1 << 32), rnd.Int32N(1e9)
		},
		Xattrs: []string{"trusted.a", "user.b", "security.c"}, Depth: 8, NoDevices: os.Geteuid() != 0,
	}.Random(rnd, n)
}
