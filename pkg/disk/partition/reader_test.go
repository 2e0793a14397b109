// SPDX-License-Identifier: MPL-2.0

package partition

import (
	"encoding/binary"
	"hash/crc32"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/carosio/carosbuild/pkg/disk/damage"
	"github.com/carosio/carosbuild/pkg/disk/image"
	"github.com/carosio/carosbuild/pkg/tooltest"
)

// readFile reads the table of the disk in a file.
func readFile(t testing.TB, path string) *Found {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return readBytes(t, b)
}

func readBytes(t testing.TB, b []byte) *Found {
	t.Helper()
	f, err := Read(image.Bytes(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// bytesOf is the disk with that table.
func bytesOf(t testing.TB, tab Table) []byte {
	t.Helper()
	xs, err := tab.Extents()
	if err != nil {
		t.Fatal(err)
	}
	b := make([]byte, tab.Size)
	for _, x := range xs {
		if _, err := x.Src.ReadAt(b[x.Off:x.Off+x.Len], x.SrcOff); err != nil {
			t.Fatal(err)
		}
	}
	return b
}

func mbrSample() Table {
	return Table{Kind: MBR, Size: 64 * mib, Signature: 0xCA405D01, BootCode: []byte("boot code"), Entries: []Entry{
		{Slot: Slot{mib, 10 * mib}, Type: "fat32", Active: true}, {Slot: Slot{11 * mib, 50 * mib}, Type: "linux"},
	}}
}

// TestRead reads back the writer's output.
func TestRead(t *testing.T) {
	for _, tab := range []Table{gptTable(), mbrSample()} {
		got := readBytes(t, bytesOf(t, tab))
		if len(got.Problems) > 0 {
			t.Errorf("%s: %v", tab.Kind, got.Problems)
		}
		if got.Kind != tab.Kind || got.GUID != tab.GUID || got.Signature != tab.Signature || !strings.HasPrefix(string(got.Boot), "boot code") || got.Hybrid {
			t.Errorf("%s: got %+v", tab.Kind, got)
		}
		var want []Part
		for i, e := range tab.Entries {
			p := Part{Entry: e, Number: i + 1}
			switch tab.Kind {
			case GPT:
				p.Type, _ = TypeGUID(e.Type)
			case MBR:
				p.Type = map[string]string{"fat32": "0C", "linux": "83"}[e.Type]
			}
			want = append(want, p)
		}
		if diff := cmp.Diff(want, got.Parts); diff != "" {
			t.Errorf("%s: partitions (-want +got):\n%s", tab.Kind, diff)
		}
		if names := got.Parts[1].AttributeNames(); tab.Kind == GPT && !slices.Equal(names, []string{"legacy-boot", "grow", "no-auto"}) {
			t.Errorf("attributes %v", names)
		}
		if n := TypeName(got.Parts[1].Type); n != map[Kind]string{GPT: "esp", MBR: "linux"}[tab.Kind] {
			t.Errorf("%s: type is called %q", tab.Kind, n)
		}
	}
}

// foreignDisk is a disk partitioned by sfdisk.
func foreignDisk(t testing.TB, script string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "disk")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, 64*mib); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), tooltest.Find(t, "sfdisk"), "-q", path)
	cmd.Stdin = strings.NewReader(script)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("sfdisk: %v\n%s", err, out)
	}
	return path
}

func TestReadSfdisk(t *testing.T) {
	for script, want := range map[string]int{
		"label: gpt\n,10M,U\n,,L,*\n":                        2,
		"label: dos\n,10M,c,*\n,,83\n":                       2,
		"label: dos\n,10M,c\n,40M,Ex\n,5M,L\n,5M,L\n,5M,S\n": 4,
		"label: gpt\n": 0,
	} {
		got := readFile(t, foreignDisk(t, script))
		if len(got.Problems) > 0 || len(got.Parts) != want {
			t.Errorf("%q: %d partitions, want %d; %v", script, len(got.Parts), want, got.Problems)
		}
	}
	path := foreignDisk(t, "label: gpt\n,10M,U\n,,L\n")
	tooltest.Run(t, "sgdisk", "--hybrid", "1", path)
	if got := readFile(t, path); len(got.Problems) > 0 || !got.Hybrid {
		t.Errorf("hybrid: %+v", got)
	}
}

// TestFlip changes each significant byte of a GPT: there is a problem, and the
// partitions can still be read.
func TestFlip(t *testing.T) {
	good := bytesOf(t, gptTable())
	want := readBytes(t, good).Parts
	var places []int
	for _, r := range [][2]int{{512, 512 + 92}, {1024, 1024 + 400}, {len(good) - 512, len(good) - 512 + 92}, {len(good) - 33*512, len(good) - 33*512 + 400}} {
		for at := r[0]; at < r[1]; at++ {
			places = append(places, at)
		}
	}
	for _, at := range append(places, 446+4, 446+8, 446+12, 510, 511) {
		good[at] ^= 0x5A
		got := readBytes(t, good)
		if len(got.Problems) == 0 {
			t.Errorf("byte %d changed: no problem", at)
		}
		if diff := cmp.Diff(want, got.Parts); diff != "" {
			t.Errorf("byte %d changed: partitions (-want +got):\n%s", at, diff)
		}
		good[at] ^= 0x5A
	}
}

// reseal corrects the checksums of a disk's first GPT.
func reseal(b []byte) {
	sum := func(p []byte) uint32 { return crc32.ChecksumIEEE(p) }
	binary.LittleEndian.PutUint32(b[512+88:], sum(b[1024:1024+128*128]))
	clear(b[512+16 : 512+20])
	binary.LittleEndian.PutUint32(b[512+16:], sum(b[512:512+92]))
}

func TestProblems(t *testing.T) {
	put64 := func(at int, v uint64) func(b []byte) {
		return func(b []byte) { binary.LittleEndian.PutUint64(b[at:], v); reseal(b) }
	}
	for _, tt := range []struct {
		name   string
		table  Table
		change func(b []byte)
		want   string
	}{
		{"overlap", gptTable(), put64(1024+40, 5000), "partition 2: starts at byte 2097152, inside partition 1, which ends at 2560512"},
		{"range", gptTable(), put64(1024+2*128+40, 1<<40), "partition 3: it has sectors 86016 to 1099511627776, and 34 to 131038 may be used"},
		{"reversed", gptTable(), put64(1024+32, 1<<62), "partition 1: it has sectors"},
		{"same guid", gptTable(), func(b []byte) { copy(b[1024+128+16:1024+128+32], b[1024+16:]); reseal(b) }, "partition 2: its GUID"},
		{"copies differ", gptTable(), func(b []byte) { b[1024+56]++; reseal(b) }, "second GPT: its entries differ"},
		{"headers differ", gptTable(), func(b []byte) { b[512+56]++; reseal(b) }, "second GPT: its header differs"},
		{"place of the copy", gptTable(), put64(512+32, 9999), "GPT: its second copy is at sector 9999"},
		{"place", gptTable(), put64(512+24, 2), "GPT: it is at sector 1 and says 2"},
		{"usable", gptTable(), put64(512+40, 1<<63), "GPT: partitions may use sectors"},
		{"many entries", gptTable(), func(b []byte) { b[512+83] = 0xFF; reseal(b) }, "entries of 128 bytes"},
		{"array in the data", gptTable(), put64(512+72, 5000), "are where partitions may be"},
		{"array beyond", gptTable(), put64(512+72, 1<<63), "GPT: its entries are at sector"},
		{"no protection", gptTable(), func(b []byte) { clear(b[446:512]) }, "protective MBR: it does not end in 55 AA"},
		{"wrong protection", gptTable(), func(b []byte) { b[450] = 0x83 }, "protective MBR: it has no entry of type EE"},
		{"beyond", mbrSample(), func(b []byte) { b[446+16+15] = 0xFF }, "partition 2: it ends at byte"},
		{"mbr overlap", mbrSample(), func(b []byte) { b[446+13]++; b[446+14] = 0x10 }, "partition 2: starts at byte 11534336, inside partition 1"},
		{"two active", mbrSample(), func(b []byte) { b[446+16] = 0x80 }, "MBR: 2 partitions are active"},
		{"loop", mbrSample(), func(b []byte) {
			b[446+16+4] = 5
			at := 11 * mib
			copy(b[at+446+16:], []byte{0, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0})
			b[at+510], b[at+511] = 0x55, 0xAA
		}, "extended partition: its chain of tables is longer than 128, or a loop"},
		{"no logical table", mbrSample(), func(b []byte) { b[446+16+4] = 5 }, "extended partition: there is no table at sector 22528"},
		{"logical table beyond", mbrSample(), func(b []byte) { b[446+16+4], b[446+16+11] = 5, 0xFF }, "which the disk does not have"},
	} {
		b := bytesOf(t, tt.table)
		tt.change(b)
		got := readBytes(t, b)
		if !has(got.Problems, tt.want) {
			t.Errorf("%s: got %q, want %q", tt.name, got.Problems, tt.want)
		}
	}
}

func has(ps []damage.Problem, want string) bool {
	for _, p := range ps {
		if strings.Contains(p.String(), want) {
			return true
		}
	}
	return false
}

func FuzzRead(f *testing.F) {
	seeds := [][]byte{bytesOf(f, gptTable()), bytesOf(f, mbrSample())}
	f.Add(uint8(0), uint64(1), true, []byte{1})
	f.Add(uint8(1), uint64(2), false, []byte{0xFF, 1})
	f.Fuzz(func(t *testing.T, which uint8, seed uint64, seal bool, change []byte) {
		b := seeds[which%2]
		head, ext, tail := slices.Clone(b[:20<<10]), slices.Clone(b[11*mib:11*mib+512]), slices.Clone(b[len(b)-512:])
		defer func() {
			copy(b, head)
			copy(b[11*mib:], ext)
			copy(b[len(b)-512:], tail)
		}()
		rnd := rand.New(rand.NewPCG(seed, 1))
		for _, c := range change {
			at := []int{440 + rnd.IntN(72), 512 + rnd.IntN(92), 1024 + rnd.IntN(384), 11*mib + 440 + rnd.IntN(72), len(b) - 1 - rnd.IntN(512)}[rnd.IntN(5)]
			b[at] = c
		}
		if seal {
			reseal(b)
		}
		got := readBytes(t, b)
		for _, p := range got.Parts {
			if len(got.Problems) == 0 && (p.Start <= 0 || p.Size <= 0 || p.End() > int64(len(b))) {
				t.Errorf("partition %d: %+v, and no problem", p.Number, p.Slot)
			}
		}
	})
}

// TestReadFATWithEntry reads no table from the boot sector of a FAT file system that
// contains an entry for the whole disk, as mkfs.fat --mbr and old cameras write it.
func TestReadFATWithEntry(t *testing.T) {
	b := make([]byte, 1<<20)
	copy(b, "\xEB\x3C\x90MSDOS5.0\x00\x02\x01\x01\x00\x02\xE0\x00\x40\x0B\xF0")
	b[446+4], b[446+13] = 6, 8
	b[510], b[511] = 0x55, 0xAA
	if got := readBytes(t, b); got.Kind != "" || len(got.Parts) != 0 || len(got.Problems) != 0 {
		t.Errorf("got %+v", got)
	}
	b[446+8] = 1 // from sector 1 on
	if got := readBytes(t, b); got.Kind != MBR || len(got.Parts) != 1 {
		t.Errorf("beside a FAT's fields: %+v", got)
	}
}
