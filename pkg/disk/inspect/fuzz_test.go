// SPDX-License-Identifier: MPL-2.0

package inspect

import (
	"bytes"
	"testing"

	"github.com/carosio/carosbuild/pkg/bytesize"
	"github.com/carosio/carosbuild/pkg/disk/vmdk"
)

// vmdkDevice is a VMDK in memory.
func vmdkDevice(b []byte) (device, error) {
	return vmdk.Open(bytes.NewReader(b), int64(len(b)))
}

// stream is a streamOptimized VMDK of a whole disk, in memory.
func stream(t testing.TB) []byte {
	t.Helper()
	var b bytes.Buffer
	s := hybrid(t, root())
	s.Size, s.Partitions[0].Size = 64<<20, bytesize.Partition{Bytes: 36 << 20}
	if err := vmdk.WriteStream(t.Context(), &b, compose(t, s), vmdk.Options{Name: "d.vmdk"}); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// FuzzInspect examines, checks and compares modified disks, with three bytes of
// input for each byte: area, offset, value. Area 7 is the VMDK around the disk.
func FuzzInspect(f *testing.F) {
	packed := stream(f)
	s := hybrid(f, root())
	s.Size, s.Partitions[0].Size = 64<<20, bytesize.Partition{Bytes: 36 << 20}
	good := bytesOf(f, compose(f, s))
	same := looked(f, bytesDevice{bytes.Clone(good)})
	areas := [][2]int{{440, 200}, {1024, 384}, {mib, 512}, {2 * mib, 512}, {2*mib + 32*512, 512}, {38*mib + 1024, 1024}, {38*mib + 4096, 64 << 10}}
	f.Add([]byte{0, 0, 10, 0xEE})
	f.Add([]byte{5, 0, 0x18, 6, 1, 0, 40, 3})
	f.Add([]byte{7, 0, 12, 0xFF})
	f.Fuzz(func(t *testing.T, edits []byte) {
		wrapped := bytes.Clone(packed)
		type saved struct {
			at int
			c  byte
		}
		var undo []saved
		outer := false
		for ; len(edits) >= 4; edits = edits[4:] {
			place := int(edits[1])<<8 | int(edits[2])
			if edits[0]%8 == 7 {
				wrapped[place%len(wrapped)], outer = edits[3], true
				continue
			}
			a := areas[edits[0]%8]
			at := a[0] + place%a[1]
			undo = append(undo, saved{at, good[at]})
			good[at] = edits[3]
		}
		defer func() {
			for i := len(undo) - 1; i >= 0; i-- {
				good[undo[i].at] = undo[i].c
			}
		}()
		look(t, bytesDevice{good}, same)
		if v, err := vmdkDevice(wrapped); err == nil && outer {
			look(t, v, same)
		}
	})
}

// look does everything that can be done with a disk. Errors are allowed.
func look(t *testing.T, dev device, other *Disk) {
	d, err := open(dev)
	if err != nil {
		return
	}
	if _, err := d.Report(); err != nil {
		return
	}
	if _, err := d.Check(t.Context()); err != nil {
		t.Error(err)
	}
	_, _, _ = d.Find("/etc/hostname")
	_ = Diff(t.Context(), d, other, func(Difference) {})
}
