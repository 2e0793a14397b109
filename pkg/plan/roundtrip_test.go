// SPDX-License-Identifier: MPL-2.0

package plan

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/carosio/carosbuild/pkg/decl"
	"github.com/carosio/carosbuild/pkg/decl/decltest"
	"github.com/carosio/carosbuild/pkg/source/debian"
	"github.com/carosio/carosbuild/pkg/source/files"
	"github.com/carosio/carosbuild/pkg/source/git"
	"github.com/carosio/carosbuild/targets"
)

// roundTrip encodes a value and decodes it, and fails unless nothing is lost and
// encoding again gives the same text.
func roundTrip[T any](t *testing.T, v *T) *T {
	t.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	out := new(T)
	if err := json.Unmarshal(data, out); err != nil {
		t.Fatalf("%v, in\n%s", err, data)
	}
	if diff := cmp.Diff(out, v); diff != "" {
		t.Fatalf("decoded again (-got +want):\n%s", diff)
	}
	again, err := json.Marshal(out)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(data, again) {
		t.Fatalf("encoded again:\n%s\nbefore:\n%s", again, data)
	}
	return out
}

// bothWays round-trips a plan, and each of its jobs and steps alone.
func bothWays(t *testing.T, p *Plan) *Plan {
	t.Helper()
	for i := range p.Stages {
		roundTrip(t, &p.Stages[i])
		for k := range p.Stages[i].Steps {
			roundTrip(t, &p.Stages[i].Steps[k])
		}
	}
	return roundTrip(t, p)
}

// madeUp are facts about everything that a declaration names.
func madeUp(t *testing.T, d *decl.Declaration, epoch *int64) Facts {
	t.Helper()
	in := publishedInputs(t, d)
	in.Epoch, in.Network = epoch, map[bool]string{true: "none"}[epoch == nil]
	in.Paths, in.Contents, in.Base, in.Environments = map[string]string{}, map[string][]files.AddedFile{}, map[string]string{}, map[string][]string{}
	in.Host, in.Keyrings = &debian.Host{Mirror: "http://h/debian", NoProxy: []string{"h"}}, map[string]string{}
	in.Bootstraps, in.Packages, in.Wanted, in.Without = map[string]string{}, map[string]*debian.Resolution{}, map[string]debian.Bootstrap{}, map[string][]string{}
	for k := range in.Files {
		in.Paths[k], in.Contents[k] = "/src/f", []files.AddedFile{{Path: ".", Mode: "100644", Sum: "ab"}}
	}
	for ref := range in.Images {
		in.Environments[ref] = []string{"PATH=/bin"}
	}
	for _, s := range d.Stages {
		if s.Bootstrap == nil {
			in.Base[s.ID] = in.Base[s.Prestage]
			continue
		}
		in.Base[s.ID], in.Bootstraps[s.ID], in.Without[s.ID] = s.ID, "sha256:bb", []string{"updates"}
		in.Wanted[s.ID] = debian.Bootstrap{Suite: s.Bootstrap.Suite, Arch: s.Bootstrap.Arch, Packages: s.Bootstrap.Packages}
		in.Keyrings[s.ID] = "cc"
		in.Packages[s.ID] = &debian.Resolution{Suite: s.Bootstrap.Suite, Packages: []debian.Package{{Name: "base-files", Role: debian.Essential, Size: 7}}}
	}
	for i := range in.Trees {
		in.Trees[i].From = git.Pinned{URL: "https://user:secret@h/poky", Commit: in.Trees[i].Commit}
	}
	return in
}

// planned is the plan of a declaration's leaves and disks. A plan made from facts
// that were encoded and decoded has the same keys.
func planned(t *testing.T, d *decl.Declaration, epoch *int64) *Plan {
	t.Helper()
	stages := DefaultTargets(d)
	for _, k := range d.Disks {
		placed, _, err := PlaceDisk(d, k)
		if err != nil {
			t.Fatal(err)
		}
		var more []string
		if more, d, err = DiskStages(d, placed); err != nil {
			t.Fatal(err)
		}
		stages = append(stages, more...)
	}
	slices.Sort(stages)
	stages = slices.Compact(stages)
	in := madeUp(t, d, epoch)
	p, err := NewPlan(d, stages, in)
	if err != nil {
		t.Fatal(err)
	}
	data, err := json.Marshal(in)
	if err != nil {
		t.Fatal(err)
	}
	var again Facts
	if err := json.Unmarshal(data, &again); err != nil {
		t.Fatal(err)
	}
	for i := range again.Trees { // not in JSON: it may have a password
		again.Trees[i].From = in.Trees[i].From
	}
	other, err := NewPlan(d, stages, again)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(other, p); diff != "" {
		t.Errorf("planned with facts that were decoded again (-got +want):\n%s", diff)
	}
	return p
}

func TestPublishedPlansBothWays(t *testing.T) {
	epoch := int64(1e9)
	for _, name := range []string{
		"caros/caros-15.03-vmware.xml", "caros/caros-15.10-vmware.xml", "caros/caros-15.11-vmware.xml", "caros/caros-15.12-vmware.xml",
		"caros/caros-15.12-lamobo-r1.xml", "caros/caros-16.01-vmware.xml", "caros/caros-16.04-vmware.xml", "redomat-example/example.xml",
		"redomat-example/example-base.xml redomat-example/example-overlay.xml",
	} {
		t.Run(name, func(t *testing.T) {
			d := published(t, strings.Fields(name)...)
			bothWays(t, planned(t, d, &epoch))
		})
	}
}

// TestTargetPlansBothWays plans the declarations that ship with the program.
func TestTargetPlansBothWays(t *testing.T) {
	baking := decl.Source{Name: "image.xml", Data: []byte(`<redo><layer_declaration><remote name="r" baseurl="git://h/"/><baselayer remote="r" repo="poky"
		revision="1234567890123456789012345678901234567890"/></layer_declaration><local_conf>MACHINE = "qemux86"</local_conf>
		<buildstage id="image"><action>FROM x</action><reposync/><bitbake_target>core-image-minimal</bitbake_target></buildstage></redo>`)}
	entries, err := targets.FS.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if path.Ext(e.Name()) != ".xml" {
			continue
		}
		t.Run(e.Name(), func(t *testing.T) {
			var sources []decl.Source
			if strings.HasPrefix(e.Name(), "yocto-") {
				sources = append(sources, baking)
			} else if e.Name() == "virtualisation.xml" {
				sources = target(t, "vmware.xml")
			}
			sources = append(sources, target(t, e.Name())...)
			d, findings := decl.Parse(sources...)
			if findings.HasErrors() {
				t.Fatal(findings[0].Summary)
			}
			p := planned(t, d, nil)
			if p.Steps() == 0 {
				t.Error("the plan has no steps")
			}
			bothWays(t, p)
		})
	}
}

// target are the files of a declaration that ships with the program, those that it
// is based on first.
func target(t *testing.T, name string) (out []decl.Source) {
	t.Helper()
	data, err := targets.FS.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	src := decl.Source{Name: name, Data: data}
	if base, _ := decl.Base(src); base != "" {
		out = target(t, base)
	}
	return append(out, src)
}

// allKinds has every kind of action.
const allKinds = `<layer_declaration><remote name="r" baseurl="git://h/"/><baselayer remote="r" repo="poky" revision="1234567890123456789012345678901234567890"/>
	<layer name="meta-x" remote="r" repo="meta-x" revision="1234567890123456789012345678901234567890"/></layer_declaration><local_conf>A=1</local_conf>
	<buildstage id="b"><bootstrap suite="bookworm" packages="vim"/></buildstage>
	<buildstage id="s"><cache path="/c" id="x"/><action>FROM debian:12</action><action>RUN a &lt; b</action><action>RUN ["a", ""]</action>
	<action>ADD --chmod=600 f /x</action><action>COPY --from=b --chown=1:2 /x /y</action><action>ENV A=$B C='d'</action><action>WORKDIR /w</action>
	<action>USER u</action><action>REPOSYNC</action><action>CREATE_BBLAYERS</action><action>CREATE_LOCAL_CONF</action>
	<bitbake_target command="fetch" user="u">x y</bitbake_target></buildstage>`

func TestPlanOfAllKindsBothWays(t *testing.T) {
	p := planned(t, decltest.Parse(t, allKinds), nil)
	seen := map[string]bool{}
	for _, j := range p.Stages {
		for _, s := range j.Steps {
			seen[s.Kind] = true
		}
	}
	for _, k := range kinds() {
		if !seen[k] {
			t.Errorf("no step is of kind %s", k)
		}
	}
	got := bothWays(t, p)
	if sync := got.Job("s").Steps[8].Action.(*Reposync); sync.From[0].URL != "https://user:secret@h/poky" {
		t.Errorf("trees come from %+v", sync.From)
	}
}

func TestRandomPlansBothWays(t *testing.T) {
	for seed := range uint64(60) {
		p := settled(randomPlan(rand.New(rand.NewPCG(seed, 1))))
		t.Run(fmt.Sprint(seed), func(t *testing.T) { bothWays(t, p) })
	}
}

// Names in JSON are lower case, whichever package a value is from.
func TestNamesInJSON(t *testing.T) {
	var look func(at string, v any)
	look = func(at string, v any) {
		switch v := v.(type) {
		case map[string]any:
			for name, item := range v {
				if strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789_") != "" {
					t.Errorf("%s: %q", at, name)
				}
				look(at+"."+name, item)
			}
		case []any:
			for _, item := range v {
				look(at, item)
			}
		}
	}
	for seed := range uint64(20) {
		data, err := json.Marshal(randomPlan(rand.New(rand.NewPCG(seed, 3))))
		var v any
		if err == nil {
			err = json.Unmarshal(data, &v)
		}
		if err != nil {
			t.Fatal(err)
		}
		look("plan", v)
	}
}

// Steps that were not resolved have no keys, and the plan says why.
func TestUnresolvedPlanBothWays(t *testing.T) {
	d := decltest.Parse(t, allKinds)
	in := madeUp(t, d, nil)
	delete(in.Images, "debian:12")
	delete(in.Bootstraps, "b")
	in.Unresolved = Unresolved{ImageOf("debian:12"): "no network", BootstrapOf("b"): "no mirror", GitTrees: "no server"}
	p, err := NewPlan(d, []string{"s"}, in)
	if err != nil {
		t.Fatal(err)
	}
	if n := bothWays(t, p).Unresolved(); n != p.Steps() || n != 13 {
		t.Errorf("%d of %d steps are without a key", n, p.Steps())
	}
}

func TestStepOfUnknownKind(t *testing.T) {
	for _, text := range []string{`{"kind":"NONE"}`, `{"kind":""}`, `{}`, `null`, `{"kind":"RUN","args":1}`, `{"kind":1}`, `[]`} {
		var s Step
		if err := json.Unmarshal([]byte(text), &s); err == nil {
			t.Errorf("%s is taken as %+v", text, s)
		}
	}
	var p Plan
	err := json.Unmarshal([]byte(`{"stages":[{"id":"s","steps":[{"kind":"NONE"}]}]}`), &p)
	if err == nil || !strings.Contains(err.Error(), `"NONE" is not known`) {
		t.Errorf("error %v", err)
	}
}

// FuzzPlan: bytes that are accepted as a plan are a valid plan, and encoding it
// again loses nothing.
func FuzzPlan(f *testing.F) {
	for seed := range uint64(8) {
		data, err := json.Marshal(randomPlan(rand.New(rand.NewPCG(seed, 2))))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Add([]byte(`{"stages":[{"steps":[{"KIND":"RUN","Args":["\ud800"]}]}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		var p Plan
		if json.Unmarshal(data, &p) != nil {
			return
		}
		bothWays(t, settled(&p))
	})
}
