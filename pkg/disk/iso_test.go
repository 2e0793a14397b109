// SPDX-License-Identifier: MPL-2.0

package disk

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/carosio/carosbuild/pkg/bytesize"
	"github.com/carosio/carosbuild/pkg/disk/iso"
	"github.com/carosio/carosbuild/pkg/tooltest"
)

// discSpec is a disk that can also be a disc.
func discSpec() Spec {
	return Spec{
		Table: "gpt", Seed: []byte("seed"), Time: 1700000000,
		Partitions: []Partition{
			{Name: "esp", Type: "esp", FS: "fat32", Label: "LIVE", Size: bytesize.Partition{Bytes: 36 << 20}, Tree: mk(map[string]string{"EFI/BOOT/BOOTX64.EFI": "MZ"})},
			{Name: "root", FS: "ext4", Label: "ROOT", Size: bytesize.Partition{Bytes: 8 << 20}, Tree: mk(map[string]string{"hello": "hello"})},
		},
	}
}

// TestWriteISO writes the same disk as a disk and as a disc, which differ only in
// the volume.
func TestWriteISO(t *testing.T) {
	l, err := Compose(t.Context(), discSpec())
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	path := func(name string) string { return filepath.Join(dir, name) }
	o := testOptions()
	o.BlockMap, o.ISO = false, l.ISO("live", 1700000000, nil)
	if o.ISO.ID != "LIVE_2" || o.ISO.EFI != (iso.Region{Off: mib, Len: 36 * mib}) || o.ISO.Limit != mib {
		t.Errorf("options are %+v", o.ISO)
	}
	outs := []Output{{Path: path("d.raw")}, {Path: path("d.iso")}, {Path: path("again.iso")}}
	if err := WriteAll(t.Context(), outs, l.Image, o); err != nil {
		t.Fatal(err)
	}
	var read [3][]byte
	for i, out := range outs {
		if read[i], err = os.ReadFile(out.Path); err != nil {
			t.Fatal(err)
		}
	}
	raw, disc := read[0], read[1]
	if !bytes.Equal(disc, read[2]) {
		t.Error("two discs differ")
	}
	v, err := iso.Volume(*o.ISO)
	if err != nil {
		t.Fatal(err)
	}
	end := iso.Start + len(v)
	if !bytes.Equal(disc[iso.Start:end], v) || !bytes.Equal(disc[:iso.Start], raw[:iso.Start]) || !bytes.Equal(disc[end:], raw[end:]) {
		t.Error("disk and disc differ in more than the volume")
	}
	for _, x := range []struct {
		want string
		args []string
	}{
		{"No problems found", []string{"sgdisk", "-v", path("d.iso")}},
		{"EFI System", []string{"fdisk", "-l", path("d.iso")}},
		{"Volume id: LIVE_2", []string{"isoinfo", "-d", "-i", path("d.iso")}},
		{"UEFI  y   none  0x0000  0x00      1         512", []string{"xorriso", "-indev", path("d.iso"), "-report_el_torito", "plain"}},
	} {
		if out := tooltest.Run(t, x.args[0], x.args[1:]...); !strings.Contains(out, x.want) {
			t.Errorf("%s did not say %q:\n%s", x.args[0], x.want, out)
		}
	}
	for name, want := range map[string]Format{"d.raw": Raw, "d.iso": ISO} {
		opened, err := OpenDisk(path(name))
		if err != nil {
			t.Fatal(err)
		}
		if opened.Format != want {
			t.Errorf("%s is of format %s", name, opened.Format)
		}
		if err := opened.Close(); err != nil {
			t.Error(err)
		}
	}
	o.ISO = nil
	if err := WriteAll(t.Context(), []Output{{Path: path("x.iso")}}, l.Image, o); err == nil || !strings.Contains(err.Error(), "composed") {
		t.Errorf("of a disk of unknown parts: %v", err)
	}
}

// TestISOLimit keeps the volume off a partition without content, which is not an
// extent of the image.
func TestISOLimit(t *testing.T) {
	s := discSpec()
	s.Partitions = append(s.Partitions, Partition{Name: "empty", Type: "linux", Start: 48 << 10, Size: bytesize.Partition{Bytes: 64 << 10}})
	l, err := Compose(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	if got := l.ISO("live", 0, nil).Limit; got != 48<<10 {
		t.Errorf("limit %d", got)
	}
}
