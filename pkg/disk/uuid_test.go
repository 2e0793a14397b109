// SPDX-License-Identifier: MPL-2.0

package disk

import (
	"io"
	"strings"
	"testing"

	"github.com/carosio/carosbuild/pkg/bytesize"
	"github.com/carosio/carosbuild/pkg/disk/fat"
	"github.com/carosio/carosbuild/pkg/disk/uuid"
)

// TestUUIDOfFAT writes a serial number into a FAT file system, and a long UUID only
// into the partition table.
func TestUUIDOfFAT(t *testing.T) {
	const long = "4f68bce3-e8cd-4db1-96e7-fbcaf984b709"
	serials := map[string]string{}
	id, err := uuid.Parse(long)
	if err != nil {
		t.Fatal(err)
	}
	serial := uuid.Serial(0xABCD1234)
	for what, given := range map[string]Partition{"": {}, "short": {Serial: &serial}, "long": {UUID: &id}, "both": {UUID: &id, Serial: &serial}} {
		for _, kind := range []string{"fat32", "fat16"} {
			part := given
			part.Name, part.Type, part.FS, part.Size = "esp", "esp", kind, bytesize.Partition{Bytes: 64 << 20}
			s := Spec{Table: "gpt", Seed: []byte("seed"), Partitions: []Partition{part}}
			l, err := Compose(t.Context(), s)
			if err != nil {
				t.Fatal(err)
			}
			p := l.Partitions[0]
			f, err := fat.Open(io.NewSectionReader(l.Image, p.Start, p.Size), p.Size)
			if err != nil {
				t.Fatal(err)
			}
			if f.ID() != p.UUID {
				t.Errorf("%s %q: the file system has %s, and the layout says %s", kind, what, f.ID(), p.UUID)
			}
			serials[what+kind] = f.ID()
			if got := strings.EqualFold(p.PartUUID, long); got != (given.UUID != nil) {
				t.Errorf("%s %q: the partition has %s", kind, what, p.PartUUID)
			}
		}
	}
	for _, kind := range []string{"fat32", "fat16"} {
		if serials["short"+kind] != "ABCD-1234" || serials["both"+kind] != "ABCD-1234" || serials["long"+kind] != serials[kind] {
			t.Errorf("%s: serial numbers %v", kind, serials)
		}
	}
	s := Spec{Table: "mbr", Seed: []byte("seed"), Partitions: []Partition{{FS: "fat32", Size: bytesize.Partition{Bytes: 64 << 20}, UUID: &id}}}
	if _, err := Compose(t.Context(), s); err == nil || !strings.Contains(err.Error(), "cannot be set") {
		t.Errorf("a long one in an mbr table: %v", err)
	}
}
