// SPDX-License-Identifier: MPL-2.0

package qcow2

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/carosio/carosbuild/pkg/tooltest"
)

// judge is the verdict of qemu-img check on a file.
func judge(t testing.TB, path string) (string, bool) {
	t.Helper()
	p, err := exec.LookPath("qemu-img")
	if err != nil {
		tooltest.Run(t, "qemu-img") // which skips or fails
	}
	out, err := exec.CommandContext(t.Context(), p, "check", "-f", "qcow2", path).CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return string(out), err == nil
}

// stricter are parts of problems that qemu-img check does not look for.
var stricter = []string{"compressed cluster at", "was not closed", "unknown in version 2", "as another entry has"}

// judgements is how many of each file are made. More were made once with other
// seeds.
const judgements = 200

// TestCheckJudge damages tables and compares our problems with those of qemu-img
// check.
func TestCheckJudge(t *testing.T) {
	snapshots, err := os.ReadFile(withSnapshots(t, "cluster_size=4k"))
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "damaged")
	for name, good := range map[string][]byte{
		"plain": small(t, "-o", "cluster_size=4k"), "compressed": small(t, "-c", "-o", "cluster_size=4k,refcount_bits=8"),
		"version 2": small(t, "-c", "-o", "cluster_size=4k,compat=0.10"), "preallocated": small(t, "-o", "cluster_size=4k,preallocation=metadata,refcount_bits=1"),
		"snapshots": snapshots,
	} {
		rnd, found := rand.New(rand.NewPCG(7, 1)), 0
		areas := tables(t, good)
		for range judgements {
			b := bytes.Clone(good)
			a := areas[rnd.IntN(len(areas))]
			at := a[0] + rnd.IntN(a[1])
			switch rnd.IntN(4) {
			case 0:
				b[at] = byte(rnd.Uint32())
			case 1: // an entry like its neighbour
				copy(b[at&^7:at&^7+8], good[a[0]:a[0]+8])
			case 2:
				b[at] ^= 1 << rnd.IntN(8)
			case 3:
				clear(b[at&^7 : at&^7+8])
			}
			if err := os.WriteFile(path, b, 0o600); err != nil {
				t.Fatal(err)
			}
			got, mine := problems(t, b)
			want, sound := judge(t, path)
			if got != "" {
				found++
			}
			if sound == (got != "") && !(sound && mine) {
				t.Errorf("%s: byte %d is %#x, was %#x: got %q, and qemu-img check says %t: %s", name, at, b[at], good[at], got, sound, want)
			}
		}
		if found < judgements/2 {
			t.Errorf("%s: %d problems", name, found)
		}
	}
}
