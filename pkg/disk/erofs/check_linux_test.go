// SPDX-License-Identifier: MPL-2.0

package erofs

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

func TestCheck(t *testing.T) {
	for seed := range uint64(4) {
		tr := randomTree(rand.New(rand.NewPCG(seed, 3)), 60)
		good, err := os.ReadFile(build(t, tr, Options{Time: 5}))
		if err != nil {
			t.Fatal(err)
		}
		if p := problems(t, good); len(p) != 0 {
			t.Errorf("a sound file system has %v", p)
		}
	}
	good, err := os.ReadFile(build(t, disktest.Sorted(disktest.Dir("d"), disktest.Regular("f", "x"), disktest.Regular("g", disktest.Noise(1, 9000))), Options{}))
	if err != nil {
		t.Fatal(err)
	}
	const root = 4096
	for _, tt := range []struct {
		name string
		at   int
		v    uint64
		n    int
		want string
	}{
		{"checksum", 1024 + 4, 0, 4, "superblock: its checksum is"},
		{"first block", 2000, 1, 1, "superblock: its checksum is"},
		{"inodes", 1024 + 16, 9, 8, "superblock: there are 4 inodes, and it says 9"},
		{"links", root + 44, 7, 4, "/: it has 3 links, and says 7"},
		{"itself", root + 64, 131, 8, "/: . is node 131, not 128"},
		{"parent", root + 64 + 12, 131, 8, "/: .. is node 131, not 128"},
		{"type", root + 64 + 24 + 10, 1, 1, "/d: its directory says that it is of type 1, and it is of type 2"},
		{"blocks of g", root, 0, 0, ""},
	} {
		b := bytes.Clone(good)
		for i := range tt.n {
			b[tt.at+i] = byte(tt.v >> (8 * i))
		}
		var all []string
		for _, p := range problems(t, b) {
			all = append(all, p.String())
		}
		if got := strings.Join(all, "\n"); !strings.Contains(got, tt.want) || tt.want == "" && got != "" {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}
