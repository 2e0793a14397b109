// SPDX-License-Identifier: MPL-2.0

package squashfs

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/carosio/carosbuild/pkg/disk/disktest"
	"github.com/carosio/carosbuild/pkg/disk/tree"
	"github.com/carosio/carosbuild/pkg/tooltest"
)

// tool runs a program of package squashfs-tools.
func tool(t testing.TB, name string, args ...string) string {
	t.Helper()
	cmd := tooltest.Command(t, name, args...)
	out, diag, err := tooltest.Output(cmd)
	if slices.Contains(args, "-no-xattrs") && cmd.ProcessState.ExitCode() == 2 {
		return out // an ordinary user cannot make devices
	}
	if err != nil || diag != "" {
		t.Fatalf("%s %v: %v\n%.3000s", name, args, err, diag)
	}
	return out
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
	return disktest.Save(t, m, 1)
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
			v.Size, v.Sum = e.Size, disktest.Sum(t, e.Content, e.Size)
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

func randomTree(rnd *rand.Rand, n int) *tree.Tree {
	return disktest.Trees{
		Size: func(rnd *rand.Rand) int {
			return []int{rnd.IntN(3), rnd.IntN(200), rnd.IntN(20000), blockSize + rnd.IntN(3) - 1, rnd.IntN(5 * blockSize)}[rnd.IntN(5)]
		},
		Time:   func(rnd *rand.Rand) (int64, int32) { return rnd.Int64N(1 << 32), 0 },
		Xattrs: []string{"trusted.a", "user.b"},
	}.Random(rnd, n)
}
