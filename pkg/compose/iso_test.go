// SPDX-License-Identifier: MPL-2.0

package compose

import (
	"errors"
	"strings"
	"testing"

	"github.com/carosio/carosbuild/pkg/decl"
	"github.com/carosio/carosbuild/pkg/decl/finding"
	"github.com/carosio/carosbuild/pkg/disk"
)

// TestCheckOutputs has every reason why a disk cannot be a disc, before anything is
// built.
func TestCheckOutputs(t *testing.T) {
	for _, x := range []struct {
		disk string
		want []string
	}{
		{`<disk id="d"><partition type="esp" fs="fat32" size="40M"/><partition fs="squashfs" size="fit" path="/"/></disk>`, nil},
		{`<disk id="d"><partition type="esp" fs="fat32" size="40M"/><partition fs="erofs" size="fit" path="/"/></disk>`, nil},
		{`<disk id="d"><partition type="C12A7328-F81F-11D2-BA4B-00A0C93EC93B" fs="fat32" size="40M"/></disk>`, nil},
		{`<disk id="d" table="mbr"><partition type="esp" fs="fat32" size="40M"/><partition fs="squashfs" size="fit" path="/"/></disk>`, []string{"table of kind mbr"}},
		{`<disk id="d"><partition fs="ext4" size="fit" path="/"/></disk>`, []string{"nothing that a disc could boot", "is read-only"}},
	} {
		d, findings := decl.Parse(decl.Source{Name: "a.xml", Data: []byte("<redo>" + x.disk + "</redo>")})
		if findings.HasErrors() {
			t.Fatal(findings)
		}
		if err := CheckOutputs(d.Disks[0], []disk.Output{{Path: "d.raw"}, {Path: "d.iso", Format: disk.Raw}}); err != nil {
			t.Errorf("no disc: %v", err)
		}
		err := CheckOutputs(d.Disks[0], []disk.Output{{Path: "d.raw"}, {Path: "d.iso"}})
		var de *finding.ListError
		if !errors.As(err, &de) {
			if err != nil || len(x.want) > 0 {
				t.Errorf("%s: got %v, want %q", x.disk, err, x.want)
			}
			continue
		}
		if len(de.Findings) != len(x.want) {
			t.Fatalf("%s: got %v, want %q", x.disk, de.Findings, x.want)
		}
		for i, f := range de.Findings {
			if !strings.Contains(f.Summary, x.want[i]) || f.Hint == "" || f.Span.Line != 1 {
				t.Errorf("%s: finding %+v, want %q", x.disk, f, x.want[i])
			}
		}
	}
}
