// SPDX-License-Identifier: MPL-2.0

package decl

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/carosio/carosbuild/pkg/bytesize"
	"github.com/carosio/carosbuild/pkg/disk/uuid"
)

// diskOf is the only disk of a declaration: the disk has these attributes, and one
// partition that has the rest of the text.
func diskOf(t *testing.T, disk, partition string) *Disk {
	t.Helper()
	d := parse(t, `<disk id="d" size="1G" `+disk+`><partition name="p" fs="fat32" `+partition+`</disk>`)
	return d.Disks[0]
}

// A value of 0 is distinguished from one that is not given where the two mean
// different things.
func TestZeroIsAValue(t *testing.T) {
	zero := diskOf(t, `guid="00000000-0000-0000-0000-000000000000"`,
		`size="fit" uuid="0000-0000"><file to="/f" mode="0000"/><loader timeout="0"/></partition><vm nics="0"/>`)
	if p := zero.Partitions[0]; p.UUID != nil || p.Serial == nil || *p.Serial != 0 || p.Size != (bytesize.Partition{Fit: true}) {
		t.Errorf("partition %+v", p)
	}
	if zero.GUID == nil || *zero.GUID != (uuid.UUID{}) || zero.VM.NICs == nil || *zero.VM.NICs != 0 {
		t.Errorf("GUID %v, NICs %v", zero.GUID, zero.VM.NICs)
	}
	if f := zero.Partitions[0].Items[0].(*FileItem); f.Mode != 0 {
		t.Errorf("mode %#o, want 0", f.Mode)
	}
	none := diskOf(t, "", `size="rest"><file to="/f"/><loader/></partition><vm/>`)
	if p := none.Partitions[0]; none.GUID != nil || none.VM.NICs != nil || p.UUID != nil || p.Serial != nil || p.Start != 0 {
		t.Errorf("what is not given: %+v of %+v", p, none)
	}
	if f := none.Partitions[0].Items[0].(*FileItem); f.Mode != 0o644 {
		t.Errorf("mode %#o, want 0644", f.Mode)
	}
}

func TestTypedValues(t *testing.T) {
	d := diskOf(t, `align="512"`, `size="fit+0512" start=" 4M " uuid="4F68BCE3-E8CD-4db1-96e7-fbcaf984b709"><file to="/f" mode="7777"/>`+
		`<extlinux timeout="86400"/></partition><vm cores="1024" memory="1" hardware=" vmx-07  vmx-19"/><expect console="x" within="1h1m1s"/>`)
	p := d.Partitions[0]
	if d.Align != 512 || p.Start != 4<<20 || p.Size != (bytesize.Partition{Fit: true, Bytes: 512}) || *p.UUID != someUUID || p.Serial != nil {
		t.Errorf("sizes and identifiers: %+v of %+v", p, d)
	}
	if f, m := p.Items[0].(*FileItem), p.Items[1].(*ExtlinuxItem); f.Mode != 0o7777 || m.Timeout != 24*time.Hour {
		t.Errorf("mode %#o, timeout %s", f.Mode, m.Timeout)
	}
	if diff := cmp.Diff([]int{7, 19}, d.VM.Hardware); diff != "" || d.VM.Cores != 1024 || d.VM.Memory != 1 || d.Expects[0].Within != time.Hour+time.Minute+time.Second {
		t.Errorf("machine %+v, %+v", d.VM, d.Expects)
	}
}
