// SPDX-License-Identifier: MPL-2.0

package plan

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/carosio/carosbuild/pkg/decl"
	"github.com/carosio/carosbuild/pkg/decl/decltest"
)

// inputs are the results of look-ups for the declarations of these tests.
func inputs() Facts {
	return Facts{
		Arch: "amd64", Images: map[string]string{"debian:12": "docker.io/library/debian@sha256:aa"}, Bootstraps: map[string]string{"b": "sha256:bb"},
		Files: map[string]string{SourceKey("s", "f"): "ff", SourceKey("s", "g"): "gg", SourceKey("s", "d/f"): "ff", SourceKey("s", "like-f"): "ff"},
	}
}

// keyOf is the key of the last stage.
func keyOf(t *testing.T, text string, in Facts) string {
	t.Helper()
	d := decltest.Parse(t, text)
	p, err := NewPlan(d, []string{d.Stages[len(d.Stages)-1].ID}, in)
	if err != nil {
		t.Fatal(err)
	}
	return p.Stages[len(p.Stages)-1].Key
}

// A stage that names its architecture is the same wherever it is built; a stage
// that does not has the host's.
func TestKeysOfArchitectures(t *testing.T) {
	arm := inputs()
	arm.Arch = "arm64"
	for _, tt := range []struct {
		text string
		same bool
	}{
		{`<buildstage id="b"><bootstrap suite="bookworm" arch="armhf"/></buildstage>`, true},
		{`<buildstage id="b"><bootstrap suite="bookworm"/></buildstage>`, false},
		{`<buildstage id="s"><action>FROM debian:12</action></buildstage>`, false},
	} {
		if same := keyOf(t, tt.text, inputs()) == keyOf(t, tt.text, arm); same != tt.same {
			t.Errorf("%s: the keys on two hosts are the same: %v, want %v", tt.text, same, tt.same)
		}
	}
}

const start = `<buildstage id="s"><action>FROM debian:12</action>`

func TestKeysDiffer(t *testing.T) {
	texts := []string{
		start + `<action>RUN true</action></buildstage>`,
		start + `<action>RUN true </action><action>RUN true</action></buildstage>`,
		start + `<action>RUN ["true"]</action></buildstage>`,
		start + `<action>RUN ["a", "bc"]</action></buildstage>`,
		start + `<action>RUN ["ab", "c"]</action></buildstage>`,
		start + `<action>ENV A=b</action></buildstage>`,
		start + `<action>ENV A=bc</action></buildstage>`,
		start + `<action>ENV A=b C=d</action></buildstage>`,
		start + `<action>ENV A=b</action><action>ENV C=d</action></buildstage>`,
		start + `<action>USER root</action></buildstage>`,
		start + `<action>WORKDIR /root</action></buildstage>`,
		start + `<action>ADD f /x</action></buildstage>`,
		start + `<action>ADD like-f /x</action></buildstage>`, // the same content
		start + `<action>ADD f /y</action></buildstage>`,
		start + `<action>ADD --chmod=600 f /x</action></buildstage>`,
		start + `<action>ADD --chown=1 f /x</action></buildstage>`,
		start + `<action>COPY f /x</action></buildstage>`,
		start + `<action>COPY f like-f /x/</action></buildstage>`,
		start + `<action>COPY like-f f /x/</action></buildstage>`,
		start + `<action>COPY like-f g /x/</action></buildstage>`,
		start + `<cache path="/c"/><action>RUN true</action></buildstage>`,
		start + `<cache path="/c" id="d"/><action>RUN true</action></buildstage>`,
		`<buildstage id="b"><bootstrap suite="bookworm"/></buildstage>`,
		`<buildstage id="b"><bootstrap suite="trixie"/></buildstage>`,
		`<buildstage id="b"><bootstrap suite="bookworm" variant="apt"/></buildstage>`,
		`<buildstage id="b"><bootstrap suite="bookworm" packages="aa"/></buildstage>`,
		`<buildstage id="b"><bootstrap suite="bookworm" components="aa"/></buildstage>`,
		`<buildstage id="b"><bootstrap suite="bookworm" mirror="http://m.example/debian"/></buildstage>`,
		`<buildstage id="b"><bootstrap suite="bookworm" snapshot="20250101T000000Z"/></buildstage>`,
		`<buildstage id="b"><bootstrap suite="bookworm" arch="armhf"/></buildstage>`,
		`<buildstage id="b"><bootstrap suite="bookworm" arch="arm64"/></buildstage>`,
		`<buildstage id="b"><bootstrap suite="bookworm"/></buildstage><buildstage id="s"><prestage>b</prestage><action>COPY --from=b f /x</action></buildstage>`,
		`<buildstage id="b"><bootstrap suite="bookworm"/><action>RUN x</action></buildstage><buildstage id="s"><action>FROM debian:12</action><action>COPY --from=b f /x</action></buildstage>`,
		`<buildstage id="b"><bootstrap suite="bookworm"/></buildstage><buildstage id="s"><action>FROM debian:12</action><action>COPY --from=b f /x</action></buildstage>`,
	}
	seen := map[string]string{}
	for _, text := range texts {
		k := keyOf(t, text, inputs())
		if other, ok := seen[k]; ok {
			t.Errorf("one key for both\n%s\n%s", other, text)
		}
		seen[k] = text
	}
	run, file, bootstrap := start+`<action>RUN true</action></buildstage>`, start+`<action>ADD f /x</action></buildstage>`, `<buildstage id="b"><bootstrap suite="bookworm"/></buildstage>`
	for _, tt := range []struct {
		name, text string
		change     func(*Facts)
	}{
		{"file", file, func(in *Facts) { in.Files = map[string]string{SourceKey("s", "f"): "fg"} }},
		{"image", run, func(in *Facts) { in.Images = map[string]string{"debian:12": "docker.io/library/debian@sha256:ab"} }},
		{"architecture", run, func(in *Facts) { in.Arch = "arm64" }},
		{"network", run, func(in *Facts) { in.Network = "none" }},
		{"epoch", run, func(in *Facts) { in.Epoch = new(int64) }},
		{"epoch", bootstrap, func(in *Facts) { in.Epoch = new(int64) }},
		{"choice of packages", bootstrap, func(in *Facts) { in.Bootstraps = map[string]string{"b": "sha256:bc"} }},
	} {
		in := inputs()
		tt.change(&in)
		if keyOf(t, tt.text, in) == keyOf(t, tt.text, inputs()) {
			t.Errorf("another %s gives the same key of\n%s", tt.name, tt.text)
		}
	}
}

func TestKeysEqual(t *testing.T) {
	base := keyOf(t, start+`<action>ADD f /x</action></buildstage>`, inputs())
	for name, text := range map[string]string{
		"layout of the XML": start + "\n\t<!-- why -->\n<action>\n  ADD f /x\n</action></buildstage>",
		"another stage":     `<buildstage id="b"><bootstrap suite="bookworm"/></buildstage>` + start + `<action>ADD f /x</action></buildstage>`,
		"folder of a file":  start + `<action>ADD d/f /x</action></buildstage>`,
	} {
		if got := keyOf(t, text, inputs()); got != base {
			t.Errorf("%s changes the key", name)
		}
	}
	in := inputs()
	in.Images = map[string]string{"debian:12": "registry.example.org/mirror/debian@sha256:aa"}
	if keyOf(t, start+`<action>ADD f /x</action></buildstage>`, in) != base {
		t.Error("the same image from another registry changes the key")
	}
}

// Without a network, the result may differ. Different ways to the network give the same
// key.
func TestNetworks(t *testing.T) {
	for _, tt := range []struct {
		caller, stage string
		want          string
		none          bool // in the key
	}{
		{"", "", "", false},
		{"auto", "", "", false},
		{"host", "", "host", false},
		{"none", "", "none", true},
		{"", "auto", "", false},
		{"", "host", "host", false},
		{"", "none", "none", true},
		{"host", "auto", "", false},
		{"host", "none", "none", true},
		{"none", "auto", "none", true},
		{"none", "host", "none", true},
	} {
		of := func(caller, stage string) *Job {
			if stage != "" {
				stage = ` network="` + stage + `"`
			}
			in := inputs()
			in.Network = caller
			d := decltest.Parse(t, `<buildstage id="s"`+stage+`><action>FROM debian:12</action><action>RUN true</action></buildstage>`)
			p, err := NewPlan(d, []string{"s"}, in)
			if err != nil {
				t.Fatal(err)
			}
			return &p.Stages[0]
		}
		j := of(tt.caller, tt.stage)
		if j.Network != tt.want || (j.Key == of("", "").Key) == tt.none || (j.Key == of("none", "").Key) != tt.none {
			t.Errorf("caller %q, stage %q: network %q, want %q; in the key %v", tt.caller, tt.stage, j.Network, tt.want, tt.none)
		}
	}
}

// TestKeysStay: if keys change, all users' stages are built again. A change on
// purpose has to change keyVersion.
// A key depends on the steps before it, not on those after it.
func TestKeysStay(t *testing.T) {
	for text, want := range map[string]string{
		start + `<cache path="/c" id="d"/><action>RUN ["ab", "c"]</action><action>COPY --chmod=600 f g /x/</action><action>ENV A=b C=d</action><action>WORKDIR /w</action></buildstage>`:                     "8f4afb232e048835cd777f58369ab74898f61cb9787335d2b0edcbfc5f85f51a",
		`<buildstage id="b"><bootstrap suite="bookworm" variant="apt" arch="armhf" packages="aa bb"/></buildstage><buildstage id="s"><prestage>b</prestage><action>COPY --from=b f /x</action></buildstage>`: "6449336588388b11f57ae4e6640a4c781238d1ee5e8a72bf0a270cd84b251ef8",
	} {
		if got := keyOf(t, text, inputs()); got != want {
			t.Errorf("key %s, want %s, of\n%s", got, want, text)
		}
	}
}

func TestKeysChain(t *testing.T) {
	plan := func(text string) *Plan {
		d := decltest.Parse(t, text)
		p, err := NewPlan(d, DefaultTargets(d), inputs())
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	a := plan(start + `<action>RUN 1</action><action>RUN 2</action><action>RUN 3</action></buildstage>`)
	b := plan(start + `<action>RUN 1</action><action>RUN x</action><action>RUN 3</action></buildstage>`)
	var same []bool
	for i := range a.Stages[0].Steps {
		same = append(same, a.Stages[0].Steps[i].Key == b.Stages[0].Steps[i].Key)
	}
	if diff := cmp.Diff(same, []bool{true, true, false, false}); diff != "" {
		t.Errorf("equal keys (-got +want):\n%s", diff)
	}
}

func TestOrder(t *testing.T) {
	d := decltest.Parse(t, `
		<buildstage id="top"><prestage>left</prestage><action>COPY --from=right /x /y</action></buildstage>
		<buildstage id="right"><prestage>base</prestage></buildstage>
		<buildstage id="left"><prestage>base</prestage></buildstage>
		<buildstage id="base"><action>FROM scratch</action></buildstage>
		<buildstage id="other"><prestage>base</prestage></buildstage>`)
	ids := func(targets ...string) []string {
		stages, err := Order(d.Stages, targets)
		if err != nil {
			return []string{err.Error()}
		}
		var out []string
		for _, s := range stages {
			out = append(out, s.ID)
		}
		return out
	}
	for _, tt := range []struct{ targets, want []string }{
		{[]string{"top"}, []string{"base", "left", "right", "top"}},
		{[]string{"other"}, []string{"base", "other"}},
		{[]string{"other", "left"}, []string{"base", "left", "other"}},
		{[]string{"none"}, []string{`no stage "none" is declared`}},
	} {
		if diff := cmp.Diff(ids(tt.targets...), tt.want); diff != "" {
			t.Errorf("order of %v (-got +want):\n%s", tt.targets, diff)
		}
	}
	if diff := cmp.Diff(DefaultTargets(d), []string{"top", "other"}); diff != "" {
		t.Errorf("leaves (-got +want):\n%s", diff)
	}
	d.Stages[3].Prestage = "top" // the parser would not have let it through
	if got := ids("top"); !strings.Contains(got[0], "top needs left needs base needs top") {
		t.Errorf("a cycle gives %v", got)
	}
}

func TestPlanRefuses(t *testing.T) {
	for _, tt := range []struct{ text, want string }{
		{`<buildstage id="s"><action>FROM debian:13</action></buildstage>`, "image debian:13 was not resolved"},
		{start + `<action>ADD h /x</action></buildstage>`, "source h was not looked up"},
		{start + `<action>REPOSYNC</action></buildstage>`, "REPOSYNC"},
	} {
		src := decl.Source{Name: "a.xml", Data: []byte("<redo>" + tt.text + "</redo>")}
		d, _ := decl.Parse(src)
		_, err := NewPlan(d, []string{"s"}, inputs())
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: error %v, want %q", tt.text, err, tt.want)
		}
	}
}

func TestDiskStages(t *testing.T) {
	d := decltest.Parse(t, `
		<buildstage id="root"><action>FROM scratch</action></buildstage>
		<buildstage id="tools"><action>FROM scratch</action></buildstage>
		<disk id="d" stage="root" table="gpt" size="1G"><bios stage="tools"/>
			<partition name="esp" type="esp" fs="fat32" label="BOOT" size="64M"><copy stage="tools" from="/a" to="/a"/><loader cmdline="x"/></partition>
			<partition name="root" fs="ext4" size="rest" path="/"/></disk>`)
	with := d
	for range 2 { // two requests add one stage
		var got []string
		var err error
		got, with, err = DiskStages(with, with.Disks[0])
		if diff := cmp.Diff(got, []string{"root", "tools", "d.bios"}); diff != "" || err != nil {
			t.Fatalf("%v (-got +want):\n%s", err, diff)
		}
	}
	if len(d.Stages) != 2 || len(with.Stages) != 3 || !strings.Contains(with.Stages[2].Actions[0].(*decl.Run).Argv[2], "search.fs_label BOOT root") {
		t.Fatalf("stages: %+v of %+v", with.Stages, d.Stages)
	}
	if got, want := with.Stages[2].Prestage, "tools"; got != want {
		t.Errorf("the added stage is based on %q, want %q", got, want)
	}
}
