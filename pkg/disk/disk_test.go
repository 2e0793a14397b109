// SPDX-License-Identifier: MPL-2.0

package disk

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/carosio/carosbuild/pkg/bytesize"
	"github.com/carosio/carosbuild/pkg/disk/image"
	"github.com/carosio/carosbuild/pkg/disk/tree"
	"github.com/carosio/carosbuild/pkg/disk/uuid"
	"github.com/carosio/carosbuild/pkg/tooltest"
)

const mib = 1 << 20

func TestHybrid(t *testing.T) {
	l := compose(t, hybrid())
	raw := writeAs(t, l.Image, "caros.raw")
	if out := tooltest.Run(t, "sgdisk", "-v", raw); !strings.Contains(out, "No problems found") {
		t.Errorf("sgdisk -v:\n%s", out)
	}
	tooltest.Run(t, "fsck.vfat", "-n", extract(t, l, 1))
	ext := extract(t, l, 2)
	tooltest.Run(t, "e2fsck", "-fn", ext)
	if out := tooltest.Run(t, "debugfs", "-R", "stat /etc/passwd", ext); !strings.Contains(out, "Group:    42") {
		t.Errorf("debugfs stat:\n%s", out)
	}
	if out := tooltest.Run(t, "dumpe2fs", "-h", ext); !strings.Contains(out, l.Partitions[2].UUID) || !strings.Contains(out, "CAROSROOT") {
		t.Errorf("dumpe2fs lacks %s:\n%s", l.Partitions[2].UUID, out)
	}
	for _, name := range []string{"caros.vmdk"} {
		vmdk := writeAs(t, l.Image, name)
		tooltest.Run(t, "qemu-img", "check", "-f", "vmdk", vmdk)
		tooltest.Run(t, "qemu-img", "compare", "-f", "raw", "-F", "vmdk", raw, vmdk)
	}
	b, err := os.ReadFile(raw)
	if err != nil {
		t.Fatal(err)
	}
	want := fakeBIOS().Core
	want[0x1F4], want[0x1F5] = 0x01, 0x08
	if !bytes.Equal(b[mib:mib+len(want)], want) || b[0x5D] != 8 || b[0x66] != 0x90 {
		t.Error("core.img or boot code is not in place")
	}
	if out := tooltest.Run(t, "minfo", "-i", raw+"@@2M", "::"); !strings.Contains(out, "hidden sectors: 4096") {
		t.Errorf("minfo:\n%s", out)
	}
}

func TestPlaced(t *testing.T) {
	l := compose(t, hybrid())
	for i := range l.Partitions {
		p := &l.Partitions[i]
		if p.Used <= 0 || p.Used > p.Size {
			t.Errorf("partition %d uses %d of %d bytes", i+1, p.Used, p.Size)
		}
		p.Used = 0
	}
	id := func(role string) string { return deriveUUID([]byte("seed"), role).String() }
	want := []Placed{
		{Number: 1, Name: "bios", Type: "bios", Start: mib, Size: mib, PartUUID: id("partition 1 uuid")},
		{
			Number: 2, Name: "esp", Type: "esp", Start: 2 * mib, Size: 40 * mib, FS: "fat32", Label: "CAROSESP",
			UUID: uuid.Serial(deriveUint32([]byte("seed"), "partition 2 serial")).String(), PartUUID: id("partition 2 uuid"),
		},
		{
			Number: 3, Name: "root", Type: "root-x86-64", Start: 42 * mib, Size: 118*mib - 33*512, FS: "ext4", Label: "CAROSROOT",
			UUID: id("partition 3 uuid"), PartUUID: id("partition 3 uuid"),
		},
	}
	if diff := cmp.Diff(want, l.Partitions); diff != "" {
		t.Errorf("partitions (-want +got):\n%s", diff)
	}
}

// TestBoard is an SD card: MBR, u-boot at 8 KiB, sizes from the content.
func TestBoard(t *testing.T) {
	uboot := bytes.Repeat([]byte("eGON"), 100000)
	l := compose(t, Spec{
		Table: "mbr", Seed: []byte("card"),
		Blobs: []Blob{{Name: "u-boot", At: 8 << 10, Data: uboot}},
		Partitions: []Partition{
			{Name: "boot", FS: "fat32", Label: "CAROSBOOT", Size: bytesize.Partition{Fit: true}, Active: true, Tree: esp()},
			{Name: "root", FS: "ext4", Label: "CAROSROOT", Size: bytesize.Partition{Fit: true, Bytes: 32 << 20}, Tree: root()},
			{Name: "data", Size: bytesize.Partition{Bytes: 3 << 20}},
		},
	})
	raw := writeAs(t, l.Image, "card.img")
	var v struct {
		PartitionTable struct {
			Label, ID  string
			Partitions []struct {
				Start, Size int64
				Type        string
				Bootable    bool
			}
		}
	}
	if err := json.Unmarshal([]byte(tooltest.Run(t, "sfdisk", "-J", raw)), &v); err != nil {
		t.Fatal(err)
	}
	got := v.PartitionTable
	if got.Label != "dos" || got.ID != fmt.Sprintf("0x%08x", l.Signature) || len(got.Partitions) != 3 {
		t.Fatalf("sfdisk: %+v", got)
	}
	for i, typ := range []string{"c", "83", "83"} {
		p, q := l.Partitions[i], got.Partitions[i]
		if q.Type != typ || q.Start*512 != p.Start || q.Size*512 != p.Size || q.Bootable != (i == 0) || p.PartUUID != fmt.Sprintf("%08x-%02x", l.Signature, i+1) {
			t.Errorf("partition %d: got %+v, want %+v", i+1, q, p)
		}
	}
	tooltest.Run(t, "fsck.vfat", "-n", extract(t, l, 0))
	tooltest.Run(t, "e2fsck", "-fn", extract(t, l, 1))
	b, err := os.ReadFile(raw)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(b[8192:8192+len(uboot)], uboot) {
		t.Error("u-boot is not at 8 KiB")
	}
}

func TestReproducible(t *testing.T) {
	for _, name := range []string{"a.raw", "a.vmdk"} {
		a, err := os.ReadFile(writeAs(t, compose(t, hybrid()).Image, name))
		if err != nil {
			t.Fatal(err)
		}
		b, err := os.ReadFile(writeAs(t, compose(t, hybrid()).Image, name))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(a, b) {
			t.Errorf("%s: the same Spec gives other bytes", name)
		}
	}
	other := hybrid()
	other.Seed = []byte("other")
	if a, b := compose(t, hybrid()), compose(t, other); a.GUID == b.GUID || a.Partitions[2].UUID == b.Partitions[2].UUID {
		t.Error("another seed gives the same identifiers")
	}
}

func TestComposeErrors(t *testing.T) {
	raw, err := image.New(2*mib, nil)
	if err != nil {
		t.Fatal(err)
	}
	change := func(f func(*Spec)) Spec { s := hybrid(); f(&s); return s }
	tests := []struct {
		spec Spec
		want string
	}{
		{change(func(s *Spec) { s.Table = "apm" }), "apm"},
		{change(func(s *Spec) { s.Table = "mbr" }), "GRUB for BIOS needs a gpt table"},
		{change(func(s *Spec) { s.Size = -1 }), "negative"},
		{change(func(s *Spec) { s.Size = 20 << 20 }), "the disk needs 48 MiB, has 20 MiB"},
		{change(func(s *Spec) { s.Partitions[0].Size = bytesize.Partition{Bytes: 12} }), `partition "esp" needs 33 MiB, has 512 bytes`},
		{change(func(s *Spec) { s.Partitions[0].Size.Bytes = -1 }), `partition "esp": a negative size`},
		{change(func(s *Spec) { s.Partitions[0].FS = "ntfs" }), `file system "ntfs"`},
		{change(func(s *Spec) { s.Partitions[0].Label = "far too long a label" }), `partition "esp": label`},
		{change(func(s *Spec) { s.Partitions[0].Type = "esq" }), `"esq" is neither`},
		{change(func(s *Spec) { s.Partitions[0].Start = 4097 }), `partition "esp": start 4097 is not a multiple`},
		{change(func(s *Spec) { s.Partitions[1].Start = 20 << 20 }), `partition "root" (20971520 to 167755264) overlaps partition "esp"`},
		{change(func(s *Spec) { s.Partitions[1].Serial = new(uuid.Serial) }), `partition "root": serial number 0000-0000 cannot be set`},
		{change(func(s *Spec) { s.Partitions[1] = Partition{Name: "x"} }), `partition "x": neither size nor content`},
		{change(func(s *Spec) { s.Partitions[1] = Partition{Size: bytesize.Partition{Bytes: 1 << 20}, Raw: raw} }), "partition 3 needs 2 MiB, has 1 MiB"},
		{change(func(s *Spec) {
			s.Partitions[1] = Partition{Size: bytesize.Partition{Bytes: 1 << 20}, Raw: raw, FS: "ext4"}
		}), "both a file system and raw data"},
		{change(func(s *Spec) { s.Partitions[1] = Partition{Size: bytesize.Partition{Bytes: 1 << 20}, Tree: root()} }), "no file system"},
		{change(func(s *Spec) { s.BIOS.Boot = s.BIOS.Boot[:100] }), "boot.img has 100 bytes"},
		{change(func(s *Spec) { s.BIOS.Core = make([]byte, 3*mib) }), "core.img"},
		{change(func(s *Spec) { s.Align = 3 }), "alignment 3 is not a multiple"},
		{change(func(s *Spec) { s.Align = -512 }), "alignment -512 is not a multiple"},
		{change(func(s *Spec) { s.Partitions[0].Attributes = []string{"hidden"} }), `partition "esp": partition attribute "hidden"`},
		{change(func(s *Spec) { s.Partitions[0] = Partition{FS: "swap", Size: bytesize.Partition{Fit: true}} }), "swap space needs a size"},
		{change(func(s *Spec) { s.Partitions[0] = Partition{FS: "verity", Of: "x"} }), `verity of "x", and no such partition`},
		{change(func(s *Spec) { s.Partitions[0] = Partition{FS: "verity", Of: "root"} }), "follows from that of partition \"root\", which takes the rest"},
		{change(func(s *Spec) { s.Blobs = []Blob{{Name: "u-boot", At: 8 << 10, Data: make([]byte, 500)}} }), "u-boot (8192 to 8692) overlaps the GPT partition table"},
	}
	for _, tt := range tests {
		if _, err := Compose(t.Context(), tt.spec); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("got %v, want %q", err, tt.want)
		}
	}
}

// Sizes are readable, and the suggested size is a round one.
func TestSizesForPeople(t *testing.T) {
	const m, g = 1 << 20, 1 << 30
	for _, tt := range []struct {
		need, have int64
		want       string
		enough     string
	}{
		{900 * m, 512 * m, "the disk needs 900 MiB, has 512 MiB", "1G"},
		{900*m - 1, 512*m + 1, "the disk needs 900 MiB, has 512 MiB", "1G"},
		{942714880, 512 * m, "the disk needs 900 MiB, has 512 MiB", "1G"},
		{33*m + 1, 512, "the disk needs 33.1 MiB, has 512 bytes", "34M"},
		{70 * m, 64 * m, "the disk needs 70 MiB, has 64 MiB", "128M"},
		{3*g + 1, 3 * g, "the disk needs 3.1 GiB, has 3 GiB", "3584M"},
		{9*g + 1, 1536 * m, "the disk needs 9.1 GiB, has 1.5 GiB", "10G"},
		{m, m - 1, "the disk needs 1 MiB, has 1023 KiB", "1M"},
	} {
		e := &SizeError{What: "the disk", Need: tt.need, Have: tt.have}
		if e.Error() != tt.want || e.Enough() != tt.enough {
			t.Errorf("got %q, %s, want %q, %s", e, e.Enough(), tt.want, tt.enough)
		}
		if n, err := bytesize.Parse(e.Enough()); err != nil || n < tt.need {
			t.Errorf("%s is not enough for %d", e.Enough(), tt.need)
		}
	}
}

// The suggested size is sufficient.
func TestEnoughIsEnough(t *testing.T) {
	for _, change := range []func(*Spec){
		func(s *Spec) { s.Size = 20 << 20 },
		func(s *Spec) { s.Size = 36 << 20 },
		func(s *Spec) { s.Size = 0; s.Partitions[1].Size = bytesize.Partition{Bytes: 1 << 20} },
		func(s *Spec) { s.Size = 0; s.Partitions[0].Size = bytesize.Partition{Bytes: 2 << 20} },
	} {
		s := hybrid()
		change(&s)
		_, err := Compose(t.Context(), s)
		var e *SizeError
		if !errors.As(err, &e) {
			t.Fatalf("got %v", err)
		}
		enough, err := bytesize.Parse(e.Enough())
		if err != nil {
			t.Fatal(err)
		}
		if e.OfDisk {
			s.Size = enough
		} else {
			s.Partitions[e.Partition].Size = bytesize.Partition{Bytes: enough}
		}
		if _, err := Compose(t.Context(), s); err != nil {
			t.Errorf("%v: %s is not enough: %v", e, e.Enough(), err)
		}
	}
}

// TestRest takes the size of the content if the disk has no size of its own.
func TestRest(t *testing.T) {
	s := hybrid()
	s.Size = 0
	l := compose(t, s)
	p := l.Partitions[2]
	if p.Size < mib || l.Image.Size() > p.Start+p.Size+3*mib {
		t.Errorf("root has %d bytes of %d", p.Size, l.Image.Size())
	}
	tooltest.Run(t, "e2fsck", "-fn", extract(t, l, 2))
}

// TestVerity composes a verified root, and a boot partition that contains its hash.
func TestVerity(t *testing.T) {
	var asked []string
	s := Spec{Table: "gpt", Align: 4 << 20, Seed: []byte("seed"), Time: 1700000000, Partitions: []Partition{
		{Name: "boot", Type: "esp", FS: "fat16", Size: bytesize.Partition{Fit: true}, Hybrid: true, Files: func(roots map[string]string) (*tree.Tree, error) {
			asked = append(asked, roots["root"])
			return mk(map[string]string{"cmdline": "roothash=" + roots["root"]}), nil
		}},
		{Name: "root", Type: "root-x86-64", FS: "ext4", Compat: true, Size: bytesize.Partition{Fit: true}, Attributes: []string{"read-only"}, Tree: root()},
		{Name: "hash", Type: "root-x86-64-verity", FS: "verity", Of: "root", Size: bytesize.Partition{Fit: true}},
		{Name: "swap", FS: "swap", Label: "SWAP", Size: bytesize.Partition{Bytes: 2 << 20}},
	}}
	l := compose(t, s)
	data, hash := l.Partitions[1], l.Partitions[2]
	if len(hash.RootHash) != 64 || strings.Trim(hash.RootHash, "0") == "" {
		t.Fatalf("root hash %q", hash.RootHash)
	}
	if diff := cmp.Diff(asked, []string{strings.Repeat("0", 64), hash.RootHash}); diff != "" {
		t.Errorf("hashes that the boot partition was made with (-got +want):\n%s", diff)
	}
	if got := strings.ReplaceAll(data.PartUUID+hash.PartUUID, "-", ""); got != hash.RootHash {
		t.Errorf("the partitions' GUIDs are %s, the root hash is %s", got, hash.RootHash)
	}
	tooltest.Run(t, "veritysetup", "verify", extract(t, l, 1), extract(t, l, 2), hash.RootHash)
	tooltest.Run(t, "e2fsck", "-fn", extract(t, l, 1))
	if out := tooltest.Run(t, "mtype", "-i", extract(t, l, 0), "::/cmdline"); out != "roothash="+hash.RootHash {
		t.Errorf("on the boot partition: %q", out)
	}
	if out := tooltest.Run(t, "blkid", "-p", "-o", "value", "-s", "TYPE", extract(t, l, 3)); out != "swap\n" {
		t.Errorf("swap is %q", out)
	}
	for _, p := range l.Partitions {
		if p.Start%(4*mib) != 0 {
			t.Errorf("%s starts at %d", p.Name, p.Start)
		}
	}
	disk := writeAs(t, l.Image, "x.raw")
	if out := tooltest.Run(t, "sgdisk", "-v", disk); !strings.Contains(out, "No problems found") {
		t.Errorf("sgdisk -v:\n%s", out)
	}
	if out := tooltest.Run(t, "sfdisk", "--label-nested", "dos", "-d", disk); !strings.Contains(out, "type=ef") {
		t.Errorf("hybrid MBR:\n%s", out)
	}
	if other := compose(t, s); other.Partitions[2].RootHash != hash.RootHash {
		t.Error("the same Spec gives another root hash")
	}
}

func TestGivenIdentifiers(t *testing.T) {
	s := hybrid()
	disk, part, serial := uuid.UUID{1, 2, 3, 4, 15: 16}, uuid.UUID{0x11, 15: 0x55}, uuid.Serial(0xCA405E5B)
	s.GUID, s.Partitions[0].Serial, s.Partitions[1].UUID = &disk, &serial, &part
	l := compose(t, s)
	got := []string{l.GUID, l.Partitions[1].UUID, l.Partitions[2].UUID, l.Partitions[2].PartUUID}
	if diff := cmp.Diff([]string{disk.String(), "CA40-5E5B", part.String(), part.String()}, got); diff != "" {
		t.Errorf("identifiers (-want +got):\n%s", diff)
	}
}

func TestTreeDigest(t *testing.T) {
	base := TreeDigest(root())
	if base != TreeDigest(root()) {
		t.Error("the same tree gives two digests")
	}
	for name, change := range map[string]func(*tree.Entry){
		"mode": func(e *tree.Entry) { e.Mode ^= 1 }, "uid": func(e *tree.Entry) { e.UID++ }, "gid": func(e *tree.Entry) { e.GID++ },
		"mtime": func(e *tree.Entry) { e.Mtime++ }, "nsec": func(e *tree.Entry) { e.MtimeNsec++ }, "size": func(e *tree.Entry) { e.Size++ },
		"path": func(e *tree.Entry) { e.Path += "x" }, "link": func(e *tree.Entry) { e.Link = "x" }, "hard link": func(e *tree.Entry) { e.Hardlink = "x" },
		"major": func(e *tree.Entry) { e.Rdev.Major++ }, "minor": func(e *tree.Entry) { e.Rdev.Minor++ },
		"xattr": func(e *tree.Entry) { e.Xattrs = []tree.Xattr{{Name: "a", Value: []byte("b")}} },
	} {
		r := root()
		change(&r.Entries[2])
		if TreeDigest(r) == base {
			t.Errorf("%s does not change the digest", name)
		}
	}
}
