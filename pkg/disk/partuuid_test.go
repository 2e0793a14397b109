// SPDX-License-Identifier: MPL-2.0

package disk

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/carosio/carosbuild/pkg/bytesize"
	"github.com/carosio/carosbuild/pkg/disk/uuid"
)

// TestPartUUIDs expects the same values as from Compose, in advance.
func TestPartUUIDs(t *testing.T) {
	for _, s := range []Spec{
		{Table: "gpt", Seed: []byte("a"), Partitions: []Partition{{Name: "one", Size: bytesize.Partition{Bytes: 1 << 20}}, {Size: bytesize.Partition{Bytes: 1 << 20}}, {Name: "two", Size: bytesize.Partition{Bytes: 1 << 20}, UUID: &uuid.UUID{1, 2, 3}}}},
		{Table: "mbr", Seed: []byte("b"), Partitions: []Partition{{Name: "one", Size: bytesize.Partition{Bytes: 1 << 20}}, {Name: "two", Size: bytesize.Partition{Bytes: 1 << 20}}}},
	} {
		got, err := s.PartUUIDs()
		if err != nil {
			t.Fatal(err)
		}
		layout, err := Compose(t.Context(), s)
		if err != nil {
			t.Fatal(err)
		}
		want := map[string]string{}
		for _, p := range layout.Partitions {
			if p.Name != "" {
				want[p.Name] = p.PartUUID
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-composed +told before):\n%s", s.Table, diff)
		}
	}
	// GRUB's partition comes before the others.
	s := Spec{Table: "gpt", Seed: []byte("a"), BIOS: &BIOS{}, Partitions: []Partition{{Name: "one"}}}
	without := s
	without.BIOS = nil
	a, err1 := s.PartUUIDs()
	b, err2 := without.PartUUIDs()
	if err1 != nil || err2 != nil || a["one"] == b["one"] || a["bios"] != b["one"] {
		t.Errorf("with GRUB %v, %v, without %v, %v", a, err1, b, err2)
	}
	s.Partitions[0].Serial = new(uuid.Serial)
	if _, err := s.PartUUIDs(); err == nil || !strings.Contains(err.Error(), `partition "one": serial number`) {
		t.Errorf("a serial number without a place: %v", err)
	}
}
