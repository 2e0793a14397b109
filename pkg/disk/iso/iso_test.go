// SPDX-License-Identifier: MPL-2.0

package iso

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/carosio/carosbuild/pkg/tooltest"
)

const mib = 1 << 20

func options() Options {
	bios := bytes.Repeat([]byte("grub"), 10_001)
	return Options{Size: 8 * mib, Limit: mib, ID: "LIVE", Time: 1700000000, EFI: Region{2 * mib, 4 * mib}, BIOS: bios[:40_002]}
}

// disc is a disk with the volume on it.
func disc(t testing.TB, o Options) []byte {
	t.Helper()
	v, err := Volume(o)
	if err != nil {
		t.Fatal(err)
	}
	b := make([]byte, o.Size)
	copy(b[Start:], v)
	return b
}

func TestVolume(t *testing.T) {
	o := options()
	b := disc(t, o)
	path := filepath.Join(t.TempDir(), "d.iso")
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, x := range []struct {
		args []string
		want []string
	}{
		{[]string{"isoinfo", "-d", "-i", path}, []string{"Volume id: LIVE\n", "Volume size is: 4096\n", "boot catalog is in sector 19\n", "Key 55 AA\n", "Nsect 4\n"}},
		{[]string{"isoinfo", "-l", "-i", path}, []string{" 40002 Nov 14 2023 [     23 00]  BIOS.IMG;1", " 4194304 Nov 14 2023 [   1024 00]  EFI.IMG;1"}},
		{[]string{"xorriso", "-indev", path, "-report_el_torito", "plain"}, []string{
			"El Torito boot img :   1  BIOS  y   none  0x0000  0x00      4          23\n",
			"El Torito boot img :   2  UEFI  y   none  0x0000  0x00      1        1024\n",
			"El Torito img opts :   1  boot-info-table\n", "El Torito img path :   2  /EFI.IMG\n",
		}},
		{[]string{"file", path}, []string{"ISO 9660 CD-ROM filesystem data", "'LIVE' (bootable)"}},
	} {
		out := tooltest.Run(t, x.args[0], x.args[1:]...)
		for _, want := range x.want {
			if !strings.Contains(out, want) {
				t.Errorf("%s did not say %q:\n%s", strings.Join(x.args, " "), want, out)
			}
		}
	}
	// No reader shows these (ECMA-119, 9.4; El Torito, figure 4).
	for _, x := range []struct {
		at   int
		want string
	}{
		{primarySector*Sector + 140, "\x14\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x15"},
		{20 * Sector, "\x01\x00\x16\x00\x00\x00\x01\x00\x00\x00"},
		{21 * Sector, "\x01\x00\x00\x00\x00\x16\x00\x01\x00\x00"},
		{19*Sector + 64, "\x91\xEF\x01\x00"},
	} {
		if got := string(b[x.at:][:len(x.want)]); got != x.want {
			t.Errorf("at byte %d: got %x, want %x", x.at, got, x.want)
		}
	}
	if got := tooltest.Run(t, "isoinfo", "-i", path, "-x", "/BIOS.IMG;1"); len(got) != len(o.BIOS) || got[infoEnd:] != string(o.BIOS[infoEnd:]) {
		t.Errorf("BIOS.IMG has %d bytes, and not those that were given", len(got))
	}
	f := Read(bytes.NewReader(b), o.Size)
	want := &Found{ID: "LIVE", Size: o.Size, Entries: []Entry{{platformBIOS, 23 * Sector, 2048}, {platformEFI, 2 * mib, 0}}}
	if diff := cmp.Diff(want, f); diff != "" {
		t.Errorf("read (-want +got):\n%s", diff)
	}
	local := time.Local
	time.Local = time.FixedZone("elsewhere", 5*3600)
	defer func() { time.Local = local }()
	if !bytes.Equal(b, disc(t, o)) {
		t.Error("a second volume has other bytes")
	}
}

func TestVolumeEFIOnly(t *testing.T) {
	o := options()
	o.BIOS = nil
	f := Read(bytes.NewReader(disc(t, o)), o.Size)
	if len(f.Problems) > 0 {
		t.Fatal(f.Problems)
	}
	if diff := cmp.Diff([]Entry{{platformEFI, 2 * mib, 0}}, f.Entries); diff != "" {
		t.Errorf("entries (-want +got):\n%s", diff)
	}
}

func TestVolumeRefuses(t *testing.T) {
	for want, change := range map[string]func(*Options){
		"nothing to boot":                 func(o *Options) { o.EFI, o.BIOS = Region{}, nil },
		"is not a multiple of 2048, or":   func(o *Options) { o.Size += 512 },
		"which is not a multiple of 2048": func(o *Options) { o.EFI.Off += 512 },
		"those before 65536 are free":     func(o *Options) { o.Limit = 64 << 10 },
		"has 2047 bytes only":             func(o *Options) { o.BIOS = o.BIOS[:2047] },
		"no date in the year 2156":        func(o *Options) { o.Time = 5869584000 },
	} {
		o := options()
		change(&o)
		if _, err := Volume(o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}

func TestVolumeID(t *testing.T) {
	long := strings.Repeat("long", 10)
	for _, x := range []struct {
		name  string
		taken []string
		want  string
	}{
		{"live", nil, "LIVE"},
		{"my-disk.1ä", nil, "MY_DISK_1_"},
		{"", nil, "ISO"},
		{"root", []string{"ROOT", "ROOT_2"}, "ROOT_3"},
		{long, []string{strings.ToUpper(long[:32])}, strings.ToUpper(long[:28]) + "_2"},
	} {
		if got := VolumeID(x.name, x.taken...); got != x.want {
			t.Errorf("%q: got %q, want %q", x.name, got, x.want)
		}
	}
}

// TestReadDamage changes one byte at a time of the checked structures.
func TestReadDamage(t *testing.T) {
	good := disc(t, options())
	for _, x := range []struct {
		at   int
		to   byte
		want string
	}{
		{primarySector*Sector + 80, 0xFF, "both byte orders"},
		{terminatorSector*Sector + 1, 'X', "have no end"},
		{bootRecordSector*Sector + catalogueAt + 1, 0xFF, "unexpected EOF"},
		{catalogueSector*Sector + 5, 'X', "is not valid"},
		{catalogueSector*Sector + 30, 0, "is not valid"},
		{catalogueSector*Sector + entrySize + 10, 1, "is not on the disk"},
		{catalogueSector*Sector + 3*entrySize + 9, 0xFF, "is not on the disk"},
	} {
		b := bytes.Clone(good)
		b[x.at] = x.to
		f := Read(bytes.NewReader(b), int64(len(b)))
		if len(f.Problems) != 1 || !strings.Contains(f.Problems[0].Text, x.want) {
			t.Errorf("byte %d: got %v, want %q", x.at, f, x.want)
		}
	}
	if f := Read(bytes.NewReader(good[:Start]), Start); f != nil {
		t.Errorf("without a volume: %v", f)
	}
	if f := Read(bytes.NewReader(good[:Start+100]), Start+100); len(f.Problems) != 1 || !strings.Contains(f.Problems[0].Text, "sector 16: unexpected EOF") {
		t.Errorf("cut off: %v", f)
	}
}

func FuzzRead(f *testing.F) {
	good := disc(f, options())[Start : imageSector*Sector]
	f.Add(good)
	f.Add(good[:4*Sector])
	f.Fuzz(func(t *testing.T, volume []byte) {
		b := append(make([]byte, Start), volume...)
		found := Read(bytes.NewReader(b), int64(len(b)))
		if found == nil {
			return
		}
		for _, e := range found.Entries {
			if inside := e.Off > 0 && e.Off < int64(len(b)) && e.Len <= int64(len(b))-e.Off; !inside && len(found.Problems) == 0 {
				t.Errorf("entry %+v of %d bytes is not a problem", e, len(b))
			}
		}
	})
}
