// SPDX-License-Identifier: MPL-2.0

package plan

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/carosio/carosbuild/pkg/decl"
	"github.com/carosio/carosbuild/pkg/decl/decltest"
)

const (
	layers = `<layer_declaration><remote name="r" baseurl="git://h/"/><baselayer remote="r" repo="poky" revision="v1"/></layer_declaration>`
	stageA = `<buildstage id="a"><action>FROM x</action></buildstage>`
	stageB = `<buildstage id="b"><action>FROM x</action></buildstage>`
	bakesC = `<buildstage id="c"><action>FROM x</action><bitbake_target>core-image mc:m:other:do_image</bitbake_target></buildstage>`
	bakesD = `<buildstage id="d"><action>FROM x</action><bitbake_target>y</bitbake_target></buildstage>`
	onC    = `<buildstage id="e"><prestage>c</prestage><action>RUN z</action></buildstage>`
	onD    = `<buildstage id="f"><prestage>d</prestage><action>RUN z</action></buildstage>`
)

// A disk without a stage is made from the one that can be meant.
func TestPlaceDisk(t *testing.T) {
	for name, tt := range map[string]struct {
		text, stage string
		want        string // stage, or part of the error
		why         string // part of it
	}{
		"named":               {stageA + stageB, "b", "b", ""},
		"one leaf":            {stageA, "", "a", "the only stage that no other stage needs"},
		"the leaf":            {stageA, decl.LeafStage, "a", "the only stage"},
		"one bakes":           {layers + stageA + bakesC, "", "c", "that runs bitbake"},
		"one below bakes":     {layers + stageA + bakesC + onC, "", "e", "based on one that runs bitbake"},
		"several":             {stageA + stageB, "", `write stage="b"`, ""},
		"several bake":        {layers + bakesC + stageA + bakesD, "", `write stage="d"`, ""},
		"several below bake":  {layers + bakesC + onC + bakesD + onD + stageA, "", `write stage="f"`, ""},
		"the leaf of several": {layers + stageA + bakesC, decl.LeafStage, `write stage="c"`, ""},
		"no stages":           {"", "", "no stage is declared", ""},
	} {
		t.Run(name, func(t *testing.T) {
			d := decltest.Parse(t, tt.text)
			k := &decl.Disk{ID: "k", Stage: tt.stage, Span: decl.Span{File: "a.xml", Line: 1}}
			why, err := PlaceDisk(d, k)
			var fe *decl.FindingsError
			switch {
			case errors.As(err, &fe):
				if got := fe.Findings[0].Summary + "\n" + fe.Findings[0].Hint; len(tt.want) < 2 || !strings.Contains(got, tt.want) {
					t.Errorf("got %q, want %q", got, tt.want)
				}
			case err != nil || k.Stage != tt.want || !strings.Contains(why, tt.why):
				t.Errorf("%v: stage %q because it is %q, want %q", err, k.Stage, why, tt.want)
			}
		})
	}
}

// What a disk may take of bitbake's is noted in it.
func TestPlaceDiskThatTakesWhatIsDeployed(t *testing.T) {
	d := decltest.Parse(t, layers+`<local_conf>MACHINE ?= "weak"
MACHINE ??= "weaker"</local_conf><local_conf>  MACHINE = 'qemux86'</local_conf>`+bakesC+onC)
	if !RunsBitbake(d) || RunsBitbake(decltest.Parse(t, stageA)) {
		t.Error("what runs bitbake is not known")
	}
	for name, k := range map[string]*decl.Disk{
		"partition": {Partitions: []*decl.Partition{{From: "deploy:ext4"}}},
		"item":      {Partitions: []*decl.Partition{{Items: decl.Items{&decl.UKIItem{Kernel: "deploy:kernel"}}}}},
		"blob":      {Blobs: []decl.Blob{{From: "deploy:u-boot"}}},
		"cdrom":     {VM: &decl.VM{CDROM: &decl.CDROM{From: "deploy:iso"}}},
	} {
		if _, err := PlaceDisk(d, k); err != nil {
			t.Fatal(err)
		}
		if k.Deploy == nil || k.Deploy.LikelyMachine != "qemux86" {
			t.Errorf("%s: %+v", name, k.Deploy)
		} else if diff := cmp.Diff(k.Deploy.LikelyImages, []string{"other", "core-image"}); diff != "" {
			t.Errorf("%s: images (-got +want):\n%s", name, diff)
		}
	}
	k := &decl.Disk{Blobs: []decl.Blob{{From: "/boot/x"}}}
	if _, err := PlaceDisk(d, k); err != nil || k.Deploy != nil {
		t.Errorf("a disk that takes nothing: %v, %+v", err, k.Deploy)
	}
}

func TestMachine(t *testing.T) {
	for text, want := range map[string]string{
		"": "", `MACHINE ?= "a"`: "a", "MACHINE ?= \"a\"\nMACHINE ??= \"b\"": "a", "MACHINE = \"a\"\nMACHINE ?= \"b\"": "a",
		"MACHINE = \"a\"\nMACHINE := 'b'": "b", `MACHINES = "a"`: "", `#MACHINE = "a"`: "",
	} {
		if got := Machine(&decl.Declaration{LocalConf: []decl.LocalConf{{Text: text}}}); got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
}

// A stage that GRUB's core image is to be made in has to exist, and the boot file
// system needs a label.
func TestDiskStagesRefuses(t *testing.T) {
	d := decltest.Parse(t, stageA)
	loader := []*decl.Partition{{Items: decl.Items{&decl.LoaderItem{}}}}
	for want, k := range map[string]*decl.Disk{
		`no stage "z" is declared`: {ID: "k", Stage: "a", BIOS: &decl.BIOS{Stage: "z"}},
		"found by its label":       {ID: "k", Stage: "a", BIOS: &decl.BIOS{}, Partitions: loader},
	} {
		if _, err := DiskStages(d, k); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %q", err, want)
		}
	}
	k := &decl.Disk{Stage: "a", Partitions: []*decl.Partition{{Stage: "b"}}, Blobs: []decl.Blob{{Stage: "a"}}, VM: &decl.VM{CDROM: &decl.CDROM{Stage: "c"}}}
	got, err := DiskStages(d, k)
	if diff := cmp.Diff(got, []string{"a", "b", "c"}); diff != "" || err != nil {
		t.Errorf("%v (-got +want):\n%s", err, diff)
	}
	if diff := cmp.Diff(Leaves(d), []string{"a"}); diff != "" {
		t.Errorf("leaves (-got +want):\n%s", diff)
	}
}
