// SPDX-License-Identifier: MPL-2.0

package uboot

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/carosio/carosbuild/pkg/disk/disktest"
)

// FuzzFIT has device trees that are nearly valid, with four bytes of edits for each
// changed byte, or arbitrary bytes. If one is accepted as a FIT, dumpimage accepts
// it, too.
func FuzzFIT(f *testing.F) {
	inside, behind := testFIT(f, false), testFIT(f, true)
	f.Add(inside, []byte(nil))
	f.Add(behind, []byte{0, 0, 7, 1})
	f.Add(behind, []byte{1, 0, 30, 4, 1, 0, 60, 9})
	f.Fuzz(func(t *testing.T, fit, edits []byte) {
		b := slices.Clone(fit)
		if len(b) > 2*fdtHeader {
			disktest.Edits(b, edits, [][2]int{{0, fdtHeader}, {fdtHeader, len(b) - fdtHeader}})
		}
		if _, err := checkFIT(b); err != nil {
			return
		}
		path := filepath.Join(t.TempDir(), "fit.itb")
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		run(t, "dumpimage", "-l", path)
	})
}

// FuzzBlob reads a blob from a disk with arbitrary content, as inspecting it does.
func FuzzBlob(f *testing.F) {
	f.Add(blob(0x60, 2, "sun7i", uImage(17, 5, "proper")), int64(0), int64(1<<20))
	f.Add(append(make([]byte, 8192), blob(0x100, 2, "sun7i", testFIT(f, true))...), int64(8192), int64(1<<20))
	f.Fuzz(func(t *testing.T, disk []byte, off, limit int64) {
		limit = min(limit, int64(len(disk)))
		if off < 0 || off > limit {
			return
		}
		b, err := Blob(bytes.NewReader(disk), off, limit)
		if err != nil {
			t.Fatal(err)
		}
		if len(b) > 0 && !bytes.HasPrefix(disk[off:], b) {
			t.Errorf("%d bytes are not those at %d of the disk", len(b), off)
		}
		CheckSPL(b)
	})
}
