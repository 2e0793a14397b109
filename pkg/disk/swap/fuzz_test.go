// SPDX-License-Identifier: MPL-2.0

package swap

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/carosio/carosbuild/pkg/tooltest"
)

// FuzzBuild compares the header of random swap areas with mkswap's, and has blkid
// read it.
func FuzzBuild(f *testing.F) {
	f.Add(int64(40_960), "", uint64(1), uint64(2))
	f.Add(int64(1<<30-1), "15 letters here", uint64(1<<63), uint64(3))
	f.Add(int64(1<<20+5), "-L \xff'\"$x\n", uint64(0), uint64(0))
	f.Fuzz(func(t *testing.T, size int64, label string, a, b uint64) {
		var u [16]byte
		binary.BigEndian.PutUint64(u[:], a)
		binary.BigEndian.PutUint64(u[8:], b)
		m, err := Build(size, label, u)
		if err != nil {
			if size >= minPages*pageSize && size <= 1<<40 && len(label) <= labelSize && !strings.Contains(label, "\x00") {
				t.Error(err)
			}
			return
		}
		if size > 1<<30 {
			return // sparse, but mkswap looks for holes
		}
		path := filepath.Join(t.TempDir(), "swap")
		ours, theirs := make([]byte, pageSize), make([]byte, pageSize)
		if _, err := m.ReadAt(ours, 0); err != nil {
			t.Fatal(err)
		}
		file, err := os.Create(path)
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		if err := file.Truncate(size); err != nil {
			t.Fatal(err)
		}
		tooltest.Run(t, "mkswap", "-p", "4096", "-L", label, "-U", fmt.Sprintf("%x-%x-%x-%x-%x", u[:4], u[4:6], u[6:8], u[8:10], u[10:]), path)
		if _, err := io.ReadFull(io.NewSectionReader(file, 0, pageSize), theirs); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(ours, theirs) {
			t.Errorf("%d bytes, label %q: differs from mkswap's:\n%x\n%x", size, label, ours[1024:1080], theirs[1024:1080])
		}
		if _, err := file.WriteAt(ours, 0); err != nil {
			t.Fatal(err)
		}
		if out := tooltest.Run(t, "blkid", "-p", path); !strings.Contains(out, `TYPE="swap"`) {
			t.Errorf("blkid says\n%s", out)
		}
	})
}
