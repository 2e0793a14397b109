// SPDX-License-Identifier: MPL-2.0

package partition

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/carosio/carosbuild/pkg/disk/disktest"
	"github.com/carosio/carosbuild/pkg/disk/image"
	"github.com/carosio/carosbuild/pkg/tooltest"
)

const mib = 1 << 20

func write(t testing.TB, tab Table) string {
	t.Helper()
	xs, err := tab.Extents()
	if err != nil {
		t.Fatal(err)
	}
	m, err := image.New(tab.Size, xs)
	if err != nil {
		t.Fatal(err)
	}
	return disktest.Save(t, m, 1)
}

func TestPlace(t *testing.T) {
	tests := []struct {
		name  string
		kind  Kind
		parts []Request
		blobs []Region
		size  int64
		want  []Slot
		total int64
	}{
		{
			"hybrid, rest", GPT,
			[]Request{{Size: mib}, {Size: 128 * mib}, {Size: Rest}},
			nil, 1024 * mib,
			[]Slot{{mib, mib}, {2 * mib, 128 * mib}, {130 * mib, 894*mib - gptBack}},
			1024 * mib,
		},
		{
			"as large as needed", GPT,
			[]Request{{Size: 5*mib + 1}, {Size: mib}},
			nil, 0,
			[]Slot{{mib, 5*mib + 512}, {7 * mib, mib}},
			9 * mib,
		},
		{
			"mbr with u-boot", MBR,
			[]Request{{Size: 2 * mib}, {Size: mib}},
			[]Region{{"u-boot", 8 << 10, 554472}},
			0,
			[]Slot{{mib, 2 * mib}, {3 * mib, mib}},
			4 * mib,
		},
		{
			"large blob moves the partition", MBR,
			[]Request{{Size: 2 * mib}},
			[]Region{{"u-boot", 8 << 10, 3 * mib}},
			0,
			[]Slot{{4 * mib, 2 * mib}},
			6 * mib,
		},
		{
			"rest in the middle", GPT,
			[]Request{{Size: mib}, {Size: Rest}, {Size: 3 * mib}, {Size: mib}},
			nil, 100 * mib,
			[]Slot{{mib, mib}, {2 * mib, 93 * mib}, {95 * mib, 3 * mib}, {98 * mib, mib}},
			100 * mib,
		},
		{
			"rest up to an explicit start", MBR,
			[]Request{{Size: Rest}, {Start: 50 * mib, Size: mib}},
			nil, 100 * mib,
			[]Slot{{mib, 49 * mib}, {50 * mib, mib}},
			100 * mib,
		},
		{
			"explicit start, odd alignment", MBR,
			[]Request{{Start: 512 * 63, Size: 512}, {Size: mib, Align: 4 * mib}},
			nil, 16 * mib,
			[]Slot{{512 * 63, 512}, {4 * mib, mib}},
			16 * mib,
		},
		{"nothing", GPT, nil, nil, 0, nil, 2 * mib},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, total, err := Place(tt.kind, tt.parts, tt.blobs, tt.size)
			if err != nil {
				t.Fatal(err)
			}
			if len(got) == 0 {
				got = nil
			}
			if diff := cmp.Diff(tt.want, got); diff != "" || total != tt.total {
				t.Errorf("size %d, want %d; slots (-want +got):\n%s", total, tt.total, diff)
			}
		})
	}
}

func TestPlaceErrors(t *testing.T) {
	four := []Request{{Size: 512}, {Size: 512}, {Size: 512}, {Size: 512}}
	tests := []struct {
		name  string
		kind  Kind
		parts []Request
		blobs []Region
		size  int64
		want  string
	}{
		{
			"overlap", GPT,
			[]Request{{Name: "a", Size: 4 * mib}, {Name: "b", Start: 3 * mib, Size: mib}},
			nil, 0,
			`partition "b" (3145728 to 4194304) overlaps partition "a" (1048576 to 5242880)`,
		},
		{"five primaries", MBR, append(four, Request{Size: 512}), nil, 0, "5 partitions, and an mbr table holds 4"},
		{"too large", GPT, []Request{{Name: "root", Size: 9 * mib}}, nil, 10 * mib, `partition "root" ends at 10485760, and the disk has room up to 10468864: 16896 bytes too few`},
		{"no rest", GPT, []Request{{Name: "r", Size: Rest}}, nil, mib, "nothing is left"},
		{"rest of nothing", GPT, []Request{{Name: "r", Size: Rest}}, nil, 0, "whose size is not given"},
		{"two rests", GPT, []Request{{Name: "a", Size: Rest}, {Name: "b", Size: Rest}}, nil, 64 * mib, `partition "a" and partition "b" both take the rest`},
		{"mbr beyond 2 TiB", MBR, []Request{{Size: 3 << 40}}, nil, 0, "2 TiB"},
		{"mbr start beyond 2 TiB", MBR, []Request{{Start: 2 << 40, Size: mib}}, nil, 0, "2 TiB"},
		{"in the table", GPT, []Request{{Start: 512, Size: mib}}, nil, 0, "inside the partition table"},
		{"blob on gpt", GPT, nil, []Region{{"u-boot at 8K", 8 << 10, 500000}}, 0, "u-boot at 8K (8192 to 508192) overlaps the GPT partition table"},
		{"blob on mbr", MBR, nil, []Region{{"mlo", 0, 512}}, 0, "overlaps mlo"},
		{"blob on backup", GPT, nil, []Region{{"x", 10*mib - 512, 512}}, 10 * mib, "GPT backup table"},
		{"blob on partition", MBR, []Request{{Name: "boot", Start: mib, Size: mib}}, []Region{{"u-boot", 8 << 10, 2 * mib}}, 0, `partition "boot" (1048576 to 2097152) overlaps u-boot`},
		{"blob outside", MBR, nil, []Region{{"x", 8 * mib, 1}}, 8 * mib, "outside the disk"},
		{"odd size", GPT, nil, nil, mib + 1, "multiple"},
		{"no such table", "apm", nil, nil, 0, `"apm"`},
		{"empty", GPT, []Request{{}}, nil, 0, "size 0"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, _, err := Place(tt.kind, tt.parts, tt.blobs, tt.size)
			if !errors.Is(err, ErrLayout) || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}

func FuzzPlace(f *testing.F) {
	f.Add(true, int64(0), int64(mib), int64(0), int64(-1), int64(8192), int64(1000), int64(64*mib))
	f.Fuzz(func(t *testing.T, isGPT bool, s1, n1, s2, n2, bo, bl, size int64) {
		kind := MBR
		if isGPT {
			kind = GPT
		}
		slots, total, err := Place(kind, []Request{{Start: s1, Size: n1}, {Start: s2, Size: n2}}, []Region{{"b", bo, bl}}, size)
		if err != nil {
			return
		}
		for i, s := range slots {
			if s.Start < SectorSize || s.Size <= 0 || s.End() > total || s.Start%SectorSize != 0 || s.Size%SectorSize != 0 {
				t.Errorf("slot %d is %+v of %d", i, s, total)
			}
			if bl > 0 && s.Start < bo+bl && bo < s.End() {
				t.Errorf("slot %d %+v on the blob", i, s)
			}
		}
		if slots[0].Start < slots[1].End() && slots[1].Start < slots[0].End() {
			t.Errorf("overlap: %+v", slots)
		}
	})
}

// sfdisk is the part of the output of sfdisk -J that the tests compare.
type sfdisk struct {
	Label      string `json:"label"`
	ID         string `json:"id"`
	LastLBA    int64  `json:"lastlba"`
	Partitions []struct {
		Start    int64  `json:"start"`
		Size     int64  `json:"size"`
		Type     string `json:"type"`
		UUID     string `json:"uuid"`
		Name     string `json:"name"`
		Attrs    string `json:"attrs"`
		Bootable bool   `json:"bootable"`
	} `json:"partitions"`
}

func readSfdisk(t *testing.T, disk string) sfdisk {
	t.Helper()
	var v struct {
		PartitionTable sfdisk `json:"partitiontable"`
	}
	if err := json.Unmarshal([]byte(tooltest.Run(t, "sfdisk", "-J", disk)), &v); err != nil {
		t.Fatal(err)
	}
	return v.PartitionTable
}

func guid(n int) string { return fmt.Sprintf("00112233-4455-8677-8899-%012X", n) }

func bits(names ...string) uint64 {
	b, err := AttributeBits(names)
	if err != nil {
		panic(err)
	}
	return b
}

func gptTable() Table {
	return Table{
		Kind: GPT, Size: 64 * mib, GUID: guid(0), BootCode: []byte("boot code"),
		Entries: []Entry{
			{Slot: Slot{mib, mib}, Type: "bios", Name: "bios", GUID: guid(1)},
			{Slot: Slot{2 * mib, 40 * mib}, Type: "esp", Name: "ESP größe", GUID: guid(2), Attributes: bits("legacy-boot", "no-auto", "grow")},
			{Slot: Slot{42 * mib, 22*mib - gptBack}, Type: "4f68bce3-e8cd-4db1-96e7-fbcaf984b709", Name: "root", GUID: guid(3)},
		},
	}
}

func TestGPT(t *testing.T) {
	tab := gptTable()
	disk := write(t, tab)
	if out := tooltest.Run(t, "sgdisk", "-v", disk); !strings.Contains(out, "No problems found") {
		t.Errorf("sgdisk -v:\n%s", out)
	}
	got := readSfdisk(t, disk)
	if got.Label != "gpt" || got.ID != guid(0) || got.LastLBA != 131038 || len(got.Partitions) != 3 {
		t.Fatalf("sfdisk: %+v", got)
	}
	for i, e := range tab.Entries {
		p := got.Partitions[i]
		typ, _ := TypeGUID(e.Type)
		if p.Start*512 != e.Start || p.Size*512 != e.Size || p.UUID != e.GUID || p.Type != typ || p.Name != e.Name || (p.Attrs == "LegacyBIOSBootable GUID:59,63") != (e.Attributes != 0) {
			t.Errorf("partition %d: got %+v, want %+v", i+1, p, e)
		}
	}
	b, err := os.ReadFile(disk)
	if err != nil {
		t.Fatal(err)
	}
	want := append(append([]byte("boot code"), make([]byte, 437)...), 0, 0, 2, 0, 0xEE, 0xFF, 0xFF, 0xFF, 1, 0, 0, 0, 0xFF, 0xFF, 1, 0)
	if diff := cmp.Diff(want, b[:462]); diff != "" {
		t.Errorf("sector 0 (-want +got):\n%s", diff)
	}
}

// A hybrid MBR: sfdisk reads it, and sgdisk finds the GPT intact.
func TestHybrid(t *testing.T) {
	tab := gptTable()
	tab.Signature = 0xCA405D01
	tab.Entries[1].Hybrid, tab.Entries[2].Hybrid = true, true
	disk := write(t, tab)
	if out := tooltest.Run(t, "sgdisk", "-v", disk); !strings.Contains(out, "No problems found") {
		t.Errorf("sgdisk -v:\n%s", out)
	}
	var got []string
	for line := range strings.Lines(tooltest.Run(t, "sfdisk", "--label-nested", "dos", "-d", disk)) {
		if _, fields, ok := strings.Cut(line, " : "); ok {
			got = append(got, strings.Join(strings.Fields(fields), " "))
		}
	}
	want := []string{"start= 1, size= 4095, type=ee", "start= 4096, size= 81920, type=ef", "start= 86016, size= 45023, type=83"}
	if diff := cmp.Diff(got, want); diff != "" {
		t.Errorf("nested MBR (-got +want):\n%s", diff)
	}
	if p := readSfdisk(t, disk); p.Label != "gpt" || len(p.Partitions) != 3 {
		t.Errorf("sfdisk: %+v", p)
	}
}

func TestGPTLarge(t *testing.T) {
	tab := gptTable()
	tab.Size = 3 << 40
	disk := write(t, tab)
	if out := tooltest.Run(t, "sgdisk", "-v", disk); !strings.Contains(out, "No problems found") {
		t.Errorf("sgdisk -v:\n%s", out)
	}
}

func TestMBR(t *testing.T) {
	tab := Table{Kind: MBR, Size: 64 * mib, Signature: 0xCA405D01, Entries: []Entry{
		{Slot: Slot{mib, 40 * mib}, Type: "fat32", Active: true},
		{Slot: Slot{41 * mib, 23 * mib}, Type: "root-arm"},
	}}
	got := readSfdisk(t, write(t, tab))
	if got.Label != "dos" || got.ID != "0xca405d01" || len(got.Partitions) != 2 {
		t.Fatalf("sfdisk: %+v", got)
	}
	for i, e := range tab.Entries {
		p := got.Partitions[i]
		if p.Start*512 != e.Start || p.Size*512 != e.Size || p.Type != []string{"c", "83"}[i] || p.Bootable != e.Active {
			t.Errorf("partition %d: got %+v, want %+v", i+1, p, e)
		}
	}
}

func TestTableErrors(t *testing.T) {
	change := func(f func(*Table)) Table { tab := gptTable(); f(&tab); return tab }
	tests := []struct {
		tab  Table
		want string
	}{
		{change(func(t *Table) { t.Entries[0].Name = strings.Repeat("𝄞", 19) }), "38 UTF-16 units"},
		{change(func(t *Table) { t.Entries[0].GUID = "" }), "partition 1: GUID"},
		{change(func(t *Table) { t.GUID = "" }), "disk GUID"},
		{change(func(t *Table) { t.Entries[0].Type = "espp" }), `"espp" is neither`},
		{change(func(t *Table) { t.BootCode = make([]byte, 441) }), "441"},
		{change(func(t *Table) { t.Kind = MBR }), `"bios" does not exist in an MBR`},
		{Table{Kind: MBR, Entries: []Entry{{Type: "83", Active: true}, {Type: "83", Active: true}}}, "2 partitions are active"},
		{Table{}, "neither gpt nor mbr"},
		{change(func(t *Table) { t.Entries[0].Hybrid = true }), `"bios" does not exist in an MBR`},
		{change(func(t *Table) {
			t.Size, t.Entries[2].Slot, t.Entries[2].Hybrid = 8<<40, Slot{3 << 40, mib}, true
		}), "partition 3 cannot be expressed in a hybrid MBR"},
		{change(func(t *Table) {
			t.Entries = append(t.Entries[1:], t.Entries[1:]...)
			for i := range t.Entries {
				t.Entries[i].Hybrid = true
			}
		}), "partition 4 is the fourth"},
	}
	for _, tt := range tests {
		if _, err := tt.tab.Extents(); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("got %v, want %q", err, tt.want)
		}
	}
}

func TestTypes(t *testing.T) {
	for s, want := range map[string]byte{"0c": 0x0c, "0x83": 0x83, "EF": 0xEF, "esp": 0xEF, "swap": 0x82, "root-x86-64": 0x83, "c": 0x0c} {
		if got, err := TypeByte(s); err != nil || got != want {
			t.Errorf("TypeByte(%q) = %#x, %v, want %#x", s, got, err, want)
		}
	}
	for _, s := range []string{"", "00", "100", "-1", "linuxx", "bios"} {
		if got, err := TypeByte(s); err == nil {
			t.Errorf("TypeByte(%q) = %#x, want an error", s, got)
		}
	}
	for _, s := range []string{"", "linuxx", "00000000-0000-0000-0000-000000000000", "C12A7328-F81F-11D2-BA4B-00A0C93EC93", "C12A7328-F81F-11D2-BA4B-00A0C93EC9-B"} {
		if got, err := TypeGUID(s); err == nil {
			t.Errorf("TypeGUID(%q) = %s, want an error", s, got)
		}
	}
}
