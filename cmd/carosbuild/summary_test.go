// SPDX-License-Identifier: MPL-2.0

package main

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestSummary prints the table into a wide and into a narrow terminal.
func TestSummary(t *testing.T) {
	sum := strings.Repeat("0123456789abcdef", 4)
	s := &summary{
		build: "b1", stage: "b1", took: 75 * time.Second, ran: 1, cached: 4, targets: []string{"b1:web"},
		files: []writtenFile{
			{path: "my disk.vmdk", format: "vmdk", onDisk: 3 << 20, virtual: 4 << 30, sha256: sum},
			{path: "d.img", format: "raw", onDisk: 1 << 20, virtual: 4 << 30},
		},
	}
	const end = "build b1, 1 step run, 4 cached, 1m15s\nnext: carosbuild boot 'my disk.vmdk'\n      carosbuild push b1 REGISTRY/REPOSITORY:TAG\n"
	for width, want := range map[int]string{
		0:  "FILE          ON DISK  VIRTUAL  SHA256\nmy disk.vmdk  3 MiB    4 GiB    " + sum + "\nd.img         1 MiB    4 GiB    -\n" + end,
		80: "my disk.vmdk\n  3 MiB on disk, 4 GiB virtual\n  sha256 " + sum + "\nd.img\n  1 MiB on disk, 4 GiB virtual\n" + end,
	} {
		var out strings.Builder
		if err := s.print(&out, width); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, out.String()); diff != "" {
			t.Errorf("%d columns (-want +got):\n%s", width, diff)
		}
	}
	var out strings.Builder
	if err := (&summary{build: "b1", stage: "b1:a", targets: []string{"b1:a", "b1:b"}, ran: 2, results: true}).print(&out, 0); err != nil {
		t.Fatal(err)
	}
	if want := "b1:a\nb1:b\nbuild b1, 2 steps run, 0 cached, 0.0s\nnext: carosbuild results b1 --to DIR\n      carosbuild push b1:a REGISTRY/REPOSITORY:TAG\n"; out.String() != want {
		t.Errorf("stages only: got\n%s\nwant\n%s", out.String(), want)
	}
}
