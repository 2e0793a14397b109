// SPDX-License-Identifier: MPL-2.0

package squashfs

import (
	"bytes"
	"math/rand/v2"
	"os"
	"strings"
	"testing"

	"github.com/carosio/carosbuild/pkg/disk/damage"
	"github.com/carosio/carosbuild/pkg/disk/disktest"
)

func problems(t *testing.T, b []byte) []damage.Problem {
	t.Helper()
	f, err := Open(bytes.NewReader(b), int64(len(b)))
	return disktest.Findings(t, f, err)
}

// TestCheck finds no problem in valid file systems, and finds truncation, a
// compressed block with a wrong size, and a missing table.
func TestCheck(t *testing.T) {
	tr := randomTree(rand.New(rand.NewPCG(3, 3)), 60)
	tr = disktest.Sorted(append(tr.Entries[1:], disktest.Regular("zz-text", strings.Repeat("compressible ", 40000)))...)
	for _, c := range []Compression{Zstd, Gzip} {
		good, err := os.ReadFile(build(t, tr, Options{Compression: c}))
		if err != nil {
			t.Fatal(err)
		}
		if p := problems(t, good); len(p) != 0 {
			t.Errorf("%s: a sound file system has %v", c, p)
		}
		if p := problems(t, good[:len(good)*2/3]); len(p) == 0 {
			t.Errorf("%s: two thirds of a file system are sound", c)
		}
		var super superblock
		super.parse(good)
		bad := bytes.Clone(good)
		clear(bad[super.InodeTable : super.InodeTable+16])
		if p := problems(t, bad); len(p) == 0 {
			t.Errorf("%s: without inodes it is sound", c)
		}
		bad = bytes.Clone(good) // all contents, before the inodes
		clear(bad[superSize+16 : super.InodeTable])
		if p := problems(t, bad); len(p) == 0 {
			t.Errorf("%s: without contents it is sound", c)
		} else if !strings.Contains(p[len(p)-1].Where, "/") {
			t.Errorf("%s: %v names no file", c, p)
		}
	}
}
