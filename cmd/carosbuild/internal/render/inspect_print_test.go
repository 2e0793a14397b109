// SPDX-License-Identifier: MPL-2.0

package render

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/carosio/carosbuild/pkg/disk/inspect"
)

func TestPrintUKI(t *testing.T) {
	r := &inspect.Report{Boot: []inspect.Boot{{
		Kind: "efi", Partition: 1, Path: "/EFI/Linux/a.efi", Name: "unified kernel image", Arch: "x64", Detail: "systemd-stub 252",
		UKI: &inspect.UKI{
			Release: "6.1.0-50-amd64", Cmdline: "root=LABEL=CAROSROOT ro", OSID: "caros", OSVersion: "1",
			Sections: []inspect.Section{{Name: ".text", Size: 70000}, {Name: ".cmdline", Size: 24}, {Name: ".linux", Size: 8 << 20}, {Name: ".own\x1b[2J", Size: 1}},
		},
	}}}
	var b strings.Builder
	if err := printBoot(&b, r); err != nil {
		t.Fatal(err)
	}
	want := `
 efi  1:/EFI/Linux/a.efi  unified kernel image (x64), systemd-stub 252

 1:/EFI/Linux/a.efi
   system    caros 1
   kernel    6.1.0-50-amd64
   cmdline   root=LABEL=CAROSROOT ro
   .cmdline  24 B
   .linux    8 MiB
   .own` + "\uFFFD" + `[2J  1 B
`
	if diff := cmp.Diff(want, b.String()); diff != "" {
		t.Errorf("report (-want +got):\n%s", diff)
	}
}
