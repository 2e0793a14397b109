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

// verify unpacks an image and compares everything.
func verify(t testing.TB, image string, tr *tree.Tree) {
	t.Helper()
	got, want := unpacked(t, image), disktest.Views(t, tr)
	disktest.AsUser(got)
	disktest.AsUser(want)
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
