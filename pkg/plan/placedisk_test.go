// SPDX-License-Identifier: MPL-2.0

package plan

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/carosio/carosbuild/pkg/decl"
	"github.com/carosio/carosbuild/pkg/decl/decltest"
	"github.com/carosio/carosbuild/pkg/decl/finding"
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

// baking declares two stages that run bitbake, one based on the other.
const baking = `<layer_declaration><remote name="r" baseurl="git://h/"/><baselayer remote="r" repo="poky" revision="v1"/></layer_declaration>
	<local_conf>MACHINE ?= "default"
MACHINE = "vmware"
#MACHINE = "x"</local_conf>
	<buildstage id="a"><action>FROM x</action><bitbake_target>first core-image-caros</bitbake_target></buildstage>
	<buildstage id="b"><prestage>a</prestage><bitbake_target>mc:x:packagegroup-caros:do_build</bitbake_target></buildstage>%s`

// A disk without a stage is made from the only stage that can be meant. The
// declaration is not changed.
func TestPlaceDisk(t *testing.T) {
	const part = `<partition fs="ext4" size="1M" path="deploy:rootfs"/></disk>`
	for _, tt := range []struct{ name, more, want string }{
		{"only leaf", `<disk id="d">` + part, "b (the only stage that no other stage needs)"},
		{"leaf", `<disk id="d" stage="leaf">` + part, "b (the only stage that no other stage needs)"},
		{"a stage of that name", `<buildstage id="leaf"><action>FROM y</action></buildstage><disk id="d" stage="leaf">` + part, "leaf ()"},
		{"declared", `<disk id="d" stage="a">` + part, "a ()"},
		{"helper", `<buildstage id="h"><action>FROM y</action></buildstage><disk id="d"><bios stage="h"/>` + part, "b (the only stage that no other stage needs)"},
		{"busybox", `<buildstage id="h"><action>FROM y</action></buildstage><disk id="d"><partition fs="fat32" size="64M"><initrd to="/i" busybox-stage="h"/></partition>` + part, "b (the only stage that no other stage needs)"},
		{"another leaf", `<buildstage id="h"><action>FROM y</action></buildstage><disk id="d">` + part, "b (the only stage that runs bitbake and that no other stage needs)"},
		{"one that is only based on bitbake", `<buildstage id="h"><prestage>a</prestage></buildstage><disk id="d">` + part, "b (the only stage that runs bitbake and that no other stage needs)"},
		{"none with its own", `<buildstage id="c"><prestage>b</prestage></buildstage><buildstage id="h"><action>FROM y</action></buildstage><disk id="d">` + part, "c (the only stage that is based on one that runs bitbake, and that no other stage needs)"},
		{"two based on bitbake", `<buildstage id="c"><prestage>b</prestage></buildstage><buildstage id="e"><prestage>b</prestage></buildstage><buildstage id="h"><action>FROM y</action></buildstage><disk id="d">` + part, `disk "d" may be made from any of several stages, as no other stage needs them: c, e, h; write stage="e" into its <disk>`},
		{"two that run bitbake", `<buildstage id="h"><prestage>a</prestage><bitbake_target>x</bitbake_target></buildstage><buildstage id="z"><prestage>a</prestage></buildstage><disk id="d">` + part, `disk "d" may be made from any of several stages, as no other stage needs them: b, h, z; write stage="h" into its <disk>`},
		{"leaf of two", `<buildstage id="h"><action>FROM y</action></buildstage><disk id="d" stage="leaf">` + part, `disk "d" may be made from any of several stages, as no other stage needs them: b, h; write stage="b" into its <disk>`},
	} {
		d := decltest.Parse(t, strings.Replace(baking, "%s", tt.more, 1))
		before := encoded(t, d)
		k, why, err := PlaceDisk(d, d.Disks[0])
		var got string
		var wrong *finding.ListError
		if errors.As(err, &wrong) {
			got = wrong.Findings[0].Summary + "; " + wrong.Findings[0].Hint
		} else if err != nil {
			t.Fatal(err)
		} else {
			got = k.Stage + " (" + why + ")"
			if p := k.Deploy; p == nil || p.LikelyMachine != "vmware" || k.Stage == "b" && strings.Join(p.LikelyImages, " ") != "packagegroup-caros core-image-caros first" {
				t.Errorf("%s: %+v", tt.name, p)
			}
		}
		if got != tt.want {
			t.Errorf("%s: got %s, want %s", tt.name, got, tt.want)
		}
		if diff := cmp.Diff(encoded(t, d), before); diff != "" {
			t.Errorf("%s: the declaration has changed (-got +want):\n%s", tt.name, diff)
		}
	}
	d := decltest.Parse(t, `<disk id="d">`+part)
	if _, _, err := PlaceDisk(d, d.Disks[0]); err == nil || !strings.Contains(err.Error(), "no stage is declared") {
		t.Errorf("no stages: %v", err)
	}
}

// encoded is a declaration as text that can be compared.
func encoded(t *testing.T, d *decl.Declaration) string {
	t.Helper()
	data, err := json.Marshal(d)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// What a disk may take from bitbake is noted in it.
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
		k, _, err := PlaceDisk(d, k)
		if err != nil {
			t.Fatal(err)
		}
		if k.Deploy == nil || k.Deploy.LikelyMachine != "qemux86" {
			t.Errorf("%s: %+v", name, k.Deploy)
		} else if diff := cmp.Diff(k.Deploy.LikelyImages, []string{"other", "core-image"}); diff != "" {
			t.Errorf("%s: images (-got +want):\n%s", name, diff)
		}
	}
	declared := &decl.Disk{Deploy: &decl.Deploy{Dir: "/d"}, Blobs: []decl.Blob{{From: "deploy:u-boot"}}}
	k, _, err := PlaceDisk(d, declared)
	if err != nil || k.Deploy.Dir != "/d" || k.Deploy.LikelyMachine != "qemux86" || declared.Deploy.LikelyMachine != "" {
		t.Errorf("%v: %+v of %+v", err, k.Deploy, declared.Deploy)
	}
	k = &decl.Disk{Blobs: []decl.Blob{{From: "/boot/x"}}}
	if k, _, err := PlaceDisk(d, k); err != nil || k.Deploy != nil {
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

// The stage for GRUB's core image has to exist, and the boot file system needs a
// label.
func TestDiskStagesRefuses(t *testing.T) {
	d := decltest.Parse(t, stageA)
	loader := []*decl.Partition{{Items: decl.Items{&decl.LoaderItem{}}}}
	for want, k := range map[string]*decl.Disk{
		`no stage "z" is declared`: {ID: "k", Stage: "a", BIOS: &decl.BIOS{Stage: "z"}},
		"found by its label":       {ID: "k", Stage: "a", BIOS: &decl.BIOS{}, Partitions: loader},
	} {
		if _, _, err := DiskStages(d, k); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %q", err, want)
		}
	}
	k := &decl.Disk{Stage: "a", Partitions: []*decl.Partition{{Stage: "b"}}, Blobs: []decl.Blob{{Stage: "a"}}, VM: &decl.VM{CDROM: &decl.CDROM{Stage: "c"}}}
	got, _, err := DiskStages(d, k)
	if diff := cmp.Diff(got, []string{"a", "b", "c"}); diff != "" || err != nil {
		t.Errorf("%v (-got +want):\n%s", err, diff)
	}
	if diff := cmp.Diff(DefaultTargets(d), []string{"a"}); diff != "" {
		t.Errorf("default targets (-got +want):\n%s", diff)
	}
}
