// SPDX-License-Identifier: MPL-2.0

package erofs

import (
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

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

// view is what a tree or an unpacked file system says about an entry.
type view struct {
	Mode, UID, GID uint32
	Mtime, Nsec    int64
	Size           int64 // of a file
	Sum            uint32
	Link           string
	Rdev           tree.Device
	holes          bool
}

// wanted is what unpacking should give. fsck.erofs unpacks no attributes, and
// makes files of hard links; an ordinary user can unpack neither owners nor
// devices.
func wanted(t testing.TB, tr *tree.Tree) map[string]view {
	t.Helper()
	out := map[string]view{}
	for _, e := range tr.Entries {
		if e.Hardlink != "" {
			out[e.Path] = out[e.Hardlink]
			continue
		}
		v := view{Mode: e.Mode, UID: e.UID, GID: e.GID, Mtime: e.Mtime, Nsec: int64(e.MtimeNsec), Link: e.Link, Rdev: e.Rdev}
		if e.Type() == tree.Regular {
			n := inode{entry: &e, size: e.Size}
			v.Size, v.Sum, v.holes = e.Size, disktest.Sum(t, e.Content, e.Size), n.cut()
		}
		out[e.Path] = v.asUser()
	}
	return out
}

func (v view) asUser() view {
	if v.Mode&tree.TypeMask != tree.Dir {
		v.Mode &^= 0o6000 // fsck.erofs 1.5 changes the owner last
	}
	if os.Geteuid() != 0 {
		v.UID, v.GID = 0, 0
		v.Mode &^= 0o7022 // the umask
	}
	return v
}

// unpacked reads what fsck.erofs unpacked.
func unpacked(t testing.TB, image string) map[string]view {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "out")
	tool(t, "fsck.erofs", "-d1", "--extract="+dir, image)
	out := map[string]view{}
	err := filepath.WalkDir(dir, func(p string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := strings.TrimPrefix(strings.TrimPrefix(p, dir), "/")
		var st unix.Stat_t
		if err := unix.Lstat(p, &st); err != nil {
			return err
		}
		v := view{Mode: st.Mode, UID: st.Uid, GID: st.Gid, Mtime: st.Mtim.Sec, Nsec: st.Mtim.Nsec}
		switch st.Mode & tree.TypeMask {
		case tree.Regular:
			f, err := os.Open(p)
			if err != nil {
				return err
			}
			defer f.Close()
			v.Size, v.Sum = st.Size, disktest.Sum(t, f, st.Size)
		case tree.Symlink:
			v.Link, err = os.Readlink(p)
		case tree.Char, tree.Block:
			v.Rdev = tree.Device{Major: unix.Major(st.Rdev), Minor: unix.Minor(st.Rdev)}
		}
		out[name] = v.asUser()
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// verify unpacks an image and compares everything.
func verify(t testing.TB, image string, tr *tree.Tree) {
	t.Helper()
	got, want := unpacked(t, image), wanted(t, tr)
	for p, v := range want {
		if v.holes { // which fsck.erofs 1.5 leaves out
			g := got[p]
			g.Size, g.Sum, g.holes = v.Size, v.Sum, true
			got[p] = g
		}
	}
	if diff := cmp.Diff(got, want, cmp.AllowUnexported(view{})); diff != "" {
		t.Fatalf("unpacked (-), tree (+):\n%.6000s", diff)
	}
}

// randomTree has what fsck.erofs can unpack: paths of 4096 bytes at most, and for
// an ordinary user no devices.
func randomTree(rnd *rand.Rand, n int) *tree.Tree {
	return disktest.Trees{
		Size: func(rnd *rand.Rand) int {
			return []int{rnd.IntN(3), rnd.IntN(200), rnd.IntN(20000), blockSize*rnd.IntN(3) + rnd.IntN(3), rnd.IntN(50 * blockSize)}[rnd.IntN(5)]
		},
		Time: func(rnd *rand.Rand) (int64, int32) {
			if rnd.IntN(3) == 0 {
				return 5, 0 // as the superblock has it
			}
			return rnd.Int64N(1 << 32), rnd.Int32N(1e9)
		},
		Xattrs: []string{"trusted.a", "user.b", "security.c"}, Depth: 8, NoDevices: os.Geteuid() != 0,
	}.Random(rnd, n)
}
