// SPDX-License-Identifier: MPL-2.0

package targets

import (
	"io/fs"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestOverlays: the table has the overlays that are there, and each of them is for the
// machines that it fits best.
func TestOverlays(t *testing.T) {
	want, err := fs.Glob(FS, "yocto-*.xml")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, o := range Overlays() {
		got = append(got, o.File)
		for _, m := range o.Best {
			if !slices.Contains(o.Kinds, m.Kind) {
				t.Errorf("%s is not for %s, of %s", o.File, m.Pattern, m.Kind)
			}
		}
	}
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
	for machine, want := range map[string]string{
		"vmware": "yocto-vmware.xml pc", "sun50i-arm64": "yocto-sunxi.xml allwinner", "genericarm64": "yocto-efi.xml arm64",
		"lamobo-r1": "yocto-sunxi.xml allwinner", "qemux86-64": "yocto-efi.xml pc", "riscv": " ",
	} {
		if file, kind := Fitting(machine); file+" "+kind != want {
			t.Errorf("%s: got %s %s, want %s", machine, file, kind, want)
		}
	}
}
