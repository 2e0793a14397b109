// SPDX-License-Identifier: MPL-2.0

package render

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestSummary prints the table into a wide and into a narrow terminal.
func TestSummary(t *testing.T) {
	sum := strings.Repeat("0123456789abcdef", 4)
	s := &Summary{
		Build: "b1", Stage: "b1", Took: 75 * time.Second, Ran: 1, Cached: 4, Targets: []string{"b1:web"},
		Files: []WrittenFile{
			{Path: "my disk.vmdk", Format: "vmdk", OnDisk: 3 << 20, Virtual: 4 << 30, SHA256: sum},
			{Path: "d.img", Format: "raw", OnDisk: 1 << 20, Virtual: 4 << 30},
		},
	}
	const end = "build b1, 1 step run, 4 cached, 1m15s\nnext: carosbuild boot 'my disk.vmdk'\n      carosbuild push b1 REGISTRY/REPOSITORY:TAG\n"
	for width, want := range map[int]string{
		0:  "FILE          ON DISK  VIRTUAL  SHA256\nmy disk.vmdk  3 MiB    4 GiB    " + sum + "\nd.img         1 MiB    4 GiB    -\n" + end,
		80: "my disk.vmdk\n  3 MiB on disk, 4 GiB virtual\n  sha256 " + sum + "\nd.img\n  1 MiB on disk, 4 GiB virtual\n" + end,
	} {
		var out strings.Builder
		if err := s.Print(&out, width); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, out.String()); diff != "" {
			t.Errorf("%d columns (-want +got):\n%s", width, diff)
		}
	}
	var out strings.Builder
	if err := (&Summary{Program: "bin/carosbuild", Build: "b1", Stage: "b1:a", Targets: []string{"b1:a", "b1:b"}, Ran: 2, Results: true}).Print(&out, 0); err != nil {
		t.Fatal(err)
	}
	if want := "b1:a\nb1:b\nbuild b1, 2 steps run, 0 cached, 0.0s\nnext: bin/carosbuild results b1 --to DIR\n      bin/carosbuild push b1:a REGISTRY/REPOSITORY:TAG\n"; out.String() != want {
		t.Errorf("stages only: got\n%s\nwant\n%s", out.String(), want)
	}
}
