// SPDX-License-Identifier: MPL-2.0

package compose

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/carosio/carosbuild/pkg/decl/decltest"
	"github.com/carosio/carosbuild/pkg/decl/finding"
	"github.com/carosio/carosbuild/pkg/disk"
	"github.com/carosio/carosbuild/pkg/disk/ova"
	"github.com/carosio/carosbuild/pkg/plan"
	"github.com/carosio/carosbuild/pkg/progress"
)

// liveISO is just enough to be recognised as an ISO.
func liveISO() string {
	b := make([]byte, 64<<10)
	copy(b[32<<10:], "\x01CD001\x01")
	return string(b)
}

// TestClassicAppliance writes an empty disk with an installer in the drive.
func TestClassicAppliance(t *testing.T) {
	roots := map[string]RootFS{
		"s":    files(t, map[string]string{"etc/hostname": "stage\n"}),
		"live": files(t, map[string]string{"deploy/core-image.iso": liveISO()}),
	}
	img, err := composed(t, `<buildstage id="live"><action>FROM scratch</action></buildstage><disk id="d" empty="yes" size="8G">
		<vm profile="classic" manifest="sha1" product="CarOS" version="16.04"><cdrom stage="live" from="/deploy/*.iso"/><data-disk size="120G"/></vm>
	</disk>`, roots)
	if err != nil {
		t.Fatal(err)
	}
	if n := img.Layout.Image.NextExtent(0); n != 8<<30 || img.Layout.Image.Size() != 8<<30 {
		t.Errorf("something at %d of a disk of %d bytes", n, img.Layout.Image.Size())
	}
	var notes []string
	e := &Composer{Now: time.Now, Events: func(ev progress.Event) {
		if ev.Kind == progress.Note {
			notes = append(notes, ev.Text)
		}
	}}
	out := filepath.Join(t.TempDir(), "caros.ova")
	if err := e.Write(t.Context(), []*DiskImage{img}, [][]disk.Output{{{Path: out}}}, nil); err != nil {
		t.Fatal(err)
	}
	if len(notes) > 0 {
		t.Errorf("notes: %q", notes)
	}
	b, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for r := tar.NewReader(bytes.NewReader(b)); ; {
		h, err := r.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, h.Name)
	}
	if diff := cmp.Diff(names, []string{"caros.ovf", "caros.mf", "caros-disk1.vmdk", "caros-disk2.vmdk", "core-image.iso"}); diff != "" {
		t.Errorf("members (-got +want):\n%s", diff)
	}
	if problems, err := ova.Check(t.Context(), bytes.NewReader(b), int64(len(b))); err != nil || len(problems) > 0 {
		t.Errorf("problems: %v, %v", problems, err)
	}
	facts, err := ova.Read(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	want := ova.Facts{
		Name: "CarOS-16.04_vAPP", Product: "CarOS", Version: "16.04", Guest: "otherGuest64", Hardware: "vmx-07 vmx-08", Firmware: "bios",
		Cores: 2, Memory: 8 << 30, NICs: 3, Disks: 2,
	}
	if diff := cmp.Diff(facts, want); diff != "" {
		t.Errorf("facts (-got +want):\n%s", diff)
	}
	if err := e.Write(t.Context(), []*DiskImage{img}, [][]disk.Output{{{Path: filepath.Join(t.TempDir(), "caros.vmdk")}}}, nil); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(notes, []string{"disk d: the ISO of <cdrom> (core-image.iso) is left out: only an OVA can contain it"}) {
		t.Errorf("notes: %q", notes)
	}
}

// TestDeployedDisc puts the ISO that bitbake has deployed into the drive, under its
// name without a date.
func TestDeployedDisc(t *testing.T) {
	const text = `<disk id="d" empty="yes" size="8G"><vm profile="classic"><cdrom from="deploy:iso"/></vm></disk>`
	roots := map[string]RootFS{"s": deployedStage(t, map[string]string{images + "vmware/core-image-caros-vmware.iso": liveISO()})}
	img, err := composed(t, text, roots)
	if err != nil || img.VM.CDROM == nil || img.VM.CDROM.Name != "core-image-caros-vmware.iso" || img.VM.CDROM.Size != int64(len(liveISO())) {
		t.Errorf("got %+v, %v", img, err)
	}
	_, err = composed(t, text, map[string]RootFS{"s": deployedStage(t, nil)})
	var wrong *finding.ListError
	if !errors.As(err, &wrong) || !strings.Contains(err.Error(), "no live ISO of core-image-caros is deployed") || !strings.Contains(wrong.Findings[0].Hint, "live") && !strings.Contains(wrong.Findings[0].Hint, "iso") {
		t.Errorf("without one: %v", err)
	}
}

// TestDiscStage: the stage is built for the disk, and is not a target of its own.
func TestDiscStage(t *testing.T) {
	d := decltest.Parse(t, `<buildstage id="live"><action>FROM scratch</action></buildstage><buildstage id="s"><action>FROM scratch</action></buildstage>
	<disk id="d" stage="s" empty="yes" size="8G"><vm><cdrom stage="live" from="/live.iso"/></vm></disk>`)
	if diff := cmp.Diff(plan.DiskNeeds(d.Disks[0]), []string{"s", "live"}); diff != "" {
		t.Errorf("stages (-got +want):\n%s", diff)
	}
	if leaves := d.Leaves(); len(leaves) != 1 || leaves[0].ID != "s" {
		t.Errorf("leaves %+v, want s", leaves)
	}
}

func TestDiscMistakes(t *testing.T) {
	roots := map[string]RootFS{"s": files(t, map[string]string{"live.iso": liveISO(), "text": "text"})}
	for text, want := range map[string]string{
		`<cdrom from="/none.iso"/>`: "none.iso: file does not exist",
		`<cdrom from="/text"/>`:     "/text is not an ISO 9660 image",
	} {
		_, err := composed(t, `<disk id="d" empty="yes" size="8G"><vm>`+text+`</vm></disk>`, roots)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %s", text, err, want)
		}
	}
	// A disk with content has a drive, too.
	img, err := composed(t, `<disk id="d"><partition fs="ext4" size="fit" path="/"/><vm><cdrom from="/live.iso"/></vm></disk>`, roots)
	if err != nil || img.VM.CDROM == nil || img.VM.CDROM.Name != "live.iso" || img.VM.Empty {
		t.Errorf("got %+v, %v", img, err)
	}
	empty := decltest.Parse(t, `<disk id="d" empty="yes" size="8G"/>`).Disks[0]
	if err := CheckOutputs(empty, []disk.Output{{Path: "x.iso"}}); err == nil || !strings.Contains(err.Error(), "is empty") {
		t.Errorf("an empty disc: %v", err)
	}
}

// A virtual machine that cannot exist is refused before anything is built.
func TestCheckMachine(t *testing.T) {
	d := decltest.Parse(t, `<buildstage id="s"><action>FROM scratch</action></buildstage>
		<disk id="d" stage="s" size="1G"><partition name="root" fs="ext4" size="rest" path="/"/>
			<vm controller="nvme" hardware="vmx-10"/></disk>`)
	err := CheckMachine(d.Disks[0])
	var findings *finding.ListError
	if !errors.As(err, &findings) || !strings.Contains(err.Error(), "vmx-13") {
		t.Errorf("error %v", err)
	}
}
