// SPDX-License-Identifier: MPL-2.0

package iso

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/carosio/carosbuild/pkg/tooltest"
)

// FuzzVolume has our reader, isoinfo and xorriso read random volumes.
func FuzzVolume(f *testing.F) {
	f.Add("live", int64(1700000000), uint32(4096), uint32(1024), uint32(2048), uint32(40_002))
	f.Add("", int64(0), uint32(600), uint32(0), uint32(0), uint32(2048))
	f.Add("my-disk.1\u00e4", int64(-1), uint32(70_000), uint32(512), uint32(66_000), uint32(0))
	f.Fuzz(func(t *testing.T, name string, when int64, sectors, efiAt, efiSize, bios uint32) {
		const first = 2048 // sector that partitions begin at
		size := first + int64(sectors%(1<<18))
		o := Options{Size: size * Sector, Limit: first * Sector, ID: VolumeID(name, "LIVE"), Time: when % 5_500_000_000}
		if efiSize > 0 && size > first {
			at := first + int64(efiAt)%(size-first)
			o.EFI = Region{at * Sector, (1 + int64(efiSize)%(size-at)) * Sector}
		}
		if bios %= 5 << 20; bios > 0 { // more than fits, sometimes
			o.BIOS = bytes.Repeat([]byte("grub!"), int(bios)/5+1)[:bios]
		}
		v, err := Volume(o)
		if err != nil {
			return
		}
		if end := Start + int64(len(v)); end-end%Sector > o.Limit {
			t.Fatalf("it ends at %d, only what is before %d is free", end, o.Limit)
		}
		checkVolume(t, o, v)
	})
}

// checkVolume writes a disk with the volume v, and has it read.
func checkVolume(t *testing.T, o Options, v []byte) {
	file, err := os.Create(filepath.Join(t.TempDir(), "d.iso"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if err := file.Truncate(o.Size); err != nil {
		t.Fatal(err)
	}
	if _, err := file.WriteAt(v, Start); err != nil {
		t.Fatal(err)
	}
	want := &Found{ID: o.ID, Size: o.Size}
	if len(o.BIOS) > 0 {
		want.Entries = append(want.Entries, Entry{platformBIOS, imageSector * Sector, loadSectors * 512})
	}
	if o.EFI.Len > 0 {
		want.Entries = append(want.Entries, Entry{platformEFI, o.EFI.Off, 0})
	}
	if diff := cmp.Diff(want, Read(file, o.Size)); diff != "" {
		t.Errorf("read (-want +got):\n%s", diff)
	}
	if out := tooltest.Run(t, "isoinfo", "-d", "-i", file.Name()); !strings.Contains(out, "Volume id: "+o.ID+"\n") {
		t.Errorf("isoinfo does not say %q:\n%s", o.ID, out)
	}
	if got := tooltest.Run(t, "isoinfo", "-i", file.Name(), "-x", "/BIOS.IMG;1"); len(o.BIOS) > 0 && (len(got) != len(o.BIOS) || got[infoEnd:] != string(o.BIOS[infoEnd:])) {
		t.Errorf("BIOS.IMG has %d bytes, and not the %d that were given", len(got), len(o.BIOS))
	}
	out := tooltest.Run(t, "xorriso", "-indev", file.Name(), "-report_el_torito", "plain")
	if strings.Contains(out, "  BIOS  y ") != (len(o.BIOS) > 0) || strings.Contains(out, "  UEFI  y ") != (o.EFI.Len > 0) {
		t.Errorf("%d bytes for a BIOS, %d for UEFI; xorriso says\n%s", len(o.BIOS), o.EFI.Len, out)
	}
}
