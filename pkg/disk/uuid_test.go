// This Source Code Form is subject to the terms of the Mozilla Public
// License, v. 2.0. If a copy of the MPL was not distributed with this
// file, You can obtain one at https://mozilla.org/MPL/2.0/.

package disk

import (
	"io"
	"strings"
	"testing"

	"github.com/carosio/carosbuild/pkg/disk/fat"
)

// TestUUIDOfFAT writes a serial number into a FAT file system, and a long UUID
// into the partition table alone.
func TestUUIDOfFAT(t *testing.T) {
	const long = "4f68bce3-e8cd-4db1-96e7-fbcaf984b709"
	serials := map[string]string{}
	for _, uuid := range []string{"", "ABCD-1234", "abcd-1234", long} {
		for _, kind := range []string{"fat32", "fat16"} {
			s := Spec{Table: "gpt", Seed: []byte("seed"), Partitions: []Partition{{Name: "esp", Type: "esp", FS: kind, Size: "64M", UUID: uuid}}}
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
				t.Errorf("%s %q: the file system has %s, and the layout says %s", kind, uuid, f.ID(), p.UUID)
			}
			serials[uuid+kind] = f.ID()
			if got := strings.EqualFold(p.PartUUID, long); got != (uuid == long) {
				t.Errorf("%s %q: the partition has %s", kind, uuid, p.PartUUID)
			}
		}
	}
	for _, kind := range []string{"fat32", "fat16"} {
		if serials["ABCD-1234"+kind] != "ABCD-1234" || serials["abcd-1234"+kind] != "ABCD-1234" || serials[long+kind] != serials[kind] {
			t.Errorf("%s: serial numbers %v", kind, serials)
		}
	}
	s := Spec{Table: "mbr", Seed: []byte("seed"), Partitions: []Partition{{FS: "fat32", Size: "64M", UUID: long}}}
	if _, err := Compose(t.Context(), s); err == nil || !strings.Contains(err.Error(), "has no place") {
		t.Errorf("a long one in an mbr table: %v", err)
	}
}
