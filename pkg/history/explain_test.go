// SPDX-License-Identifier: MPL-2.0

package history

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/carosio/carosbuild/pkg/decl/decltest"
	"github.com/carosio/carosbuild/pkg/plan"
	"github.com/carosio/carosbuild/pkg/source/files"
)

// planOf plans all stages of a declaration; so many of the first steps of each are
// stored.
func planOf(t *testing.T, text string, in plan.Facts, cached int) *plan.Plan {
	t.Helper()
	d := decltest.Parse(t, text)
	p, err := plan.NewPlan(d, plan.DefaultTargets(d), in)
	if err != nil {
		t.Fatal(err)
	}
	for i := range p.Stages {
		for j := range p.Stages[i].Steps {
			p.Stages[i].Steps[j].Cached = j < cached
		}
	}
	return p
}

// reasons are those that a plan names, by stage and step.
func reasons(p *plan.Plan) map[string]string {
	out := map[string]string{}
	for _, s := range p.Stages {
		for i, step := range s.Steps {
			if step.Why != "" {
				out[s.ID+" "+string(rune('1'+i))] = step.Why
			}
		}
	}
	return out
}

const start = `<buildstage id="s"><action>FROM debian:12</action>`

// inputs are what the declarations of these tests name.
func inputs() plan.Facts {
	return plan.Facts{
		Arch: "amd64", Images: map[string]string{"debian:12": "docker.io/library/debian@sha256:aa"}, Bootstraps: map[string]string{"b": "sha256:bb"},
		Files: map[string]string{plan.SourceKey("s", "f"): "ff", plan.SourceKey("s", "g"): "gg", plan.SourceKey("s", "d/f"): "ff"},
	}
}

func TestExplain(t *testing.T) {
	long := strings.Repeat("x", 300)
	first := start + `<action>COPY f g /x/</action><action>RUN true</action></buildstage>`
	// One without steps between two others.
	const chain = `<buildstage id="b"><bootstrap suite="%s" packages="%s"/></buildstage><buildstage id="e"><prestage>b</prestage></buildstage>
		<buildstage id="c"><prestage>e</prestage><action>RUN x</action></buildstage>`
	renamed := inputs()
	renamed.Files = map[string]string{plan.SourceKey("t", "f"): "ff", plan.SourceKey("t", "g"): "gg"}
	other := inputs()
	other.Files[plan.SourceKey("s", "g")] = "hh"
	for name, tt := range map[string]struct {
		then, now string
		in        plan.Facts // of now
		cached    int
		want      map[string]string
	}{
		"all stored":       {first, first, inputs(), 3, map[string]string{}},
		"not done":         {first, first, inputs(), 1, map[string]string{"s 2": "its result is not stored: the step failed or was removed"}},
		"a file":           {first, first, other, 1, map[string]string{"s 2": `file g was "gg" since build b1`}},
		"something before": {first, first, other, 2, map[string]string{"s 3": "what it is based on changed since build b1"}},
		"a command":        {first, strings.Replace(first, "true", "false", 1), inputs(), 2, map[string]string{"s 3": `command was "true" since build b1`}},
		"a long command":   {strings.Replace(first, "true", long, 1), first, inputs(), 2, map[string]string{"s 3": "command changed since build b1"}},
		"another kind":     {first, strings.Replace(first, "RUN true", "USER root", 1), inputs(), 2, map[string]string{"s 3": `it replaces RUN "true" since build b1`}},
		"one more":         {first, strings.Replace(first, "</buildstage>", "<action>RUN x</action></buildstage>", 1), inputs(), 3, map[string]string{"s 4": "it is new since build b1"}},
		"a source less":    {first, strings.Replace(first, "f g", "f", 1), inputs(), 1, map[string]string{"s 2": `names of the sources changed, file g was "gg" since build b1`}},
		"an owner":         {first, strings.Replace(first, "COPY", "COPY --chown=1", 1), inputs(), 1, map[string]string{"s 2": "owner is new since build b1"}},
		"another stage":    {first, strings.Replace(first, `id="s"`, `id="t"`, 1), renamed, 0, map[string]string{"t 1": "no build of this stage is remembered"}},
		"an owner gone":    {strings.Replace(first, "COPY", "COPY --chown=1", 1), first, inputs(), 1, map[string]string{"s 2": `owner was "1" since build b1`}},
		"a long beginning": {strings.Replace(first, "true", strings.Repeat("y", 100), 1), first, inputs(), 2, map[string]string{"s 3": `command was "` + strings.Repeat("y", 60) + `"... since build b1`}},
		"packages": {
			fmt.Sprintf(chain, "bookworm", "aa bb"), fmt.Sprintf(chain, "bookworm", "bb cc dd ee"), inputs(), 0,
			map[string]string{"b 1": "package cc is new, package dd is new, package ee is new, and 1 more since build b1"},
		},
		"the stage below": {
			fmt.Sprintf(chain, "bookworm", "aa"), fmt.Sprintf(chain, "trixie", "aa"), inputs(), 0,
			map[string]string{"b 1": `suite was "bookworm" since build b1`},
		},
	} {
		t.Run(name, func(t *testing.T) {
			h := History{Dir: filepath.Join(t.TempDir(), "history")}
			if err := h.Write("a.xml", planOf(t, tt.then, inputs(), 0), "b1"); err != nil {
				t.Fatal(err)
			}
			p := planOf(t, tt.now, tt.in, tt.cached)
			h.Explain("a.xml", p)
			if diff := cmp.Diff(tt.want, reasons(p)); diff != "" {
				t.Errorf("reasons (-want +got):\n%s", diff)
			}
			h.Explain("other.xml", p)
			for at, why := range reasons(p) {
				if why != plan.NotRemembered {
					t.Errorf("another declaration: %s: %s", at, why)
				}
			}
		})
	}
}

// TestHistoryIsShort: nothing long is remembered, and a damaged file is not an error.
func TestHistoryIsShort(t *testing.T) {
	h := History{Dir: t.TempDir()}
	long := strings.Repeat("x", 1<<20)
	p := planOf(t, start+`<action>RUN `+long+`</action></buildstage>`, inputs(), 0)
	if err := h.Write("a.xml", p, "b1"); err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(h.Dir, "*"))
	if err != nil || len(files) != 1 {
		t.Fatal(files, err)
	}
	data, err := os.ReadFile(files[0])
	if err != nil || len(data) > 4096 {
		t.Errorf("%d bytes, %v", len(data), err)
	}
	if err := os.WriteFile(files[0], data[:len(data)/2], 0o600); err != nil {
		t.Fatal(err)
	}
	h.Explain("a.xml", p)
	if diff := cmp.Diff(map[string]string{"s 1": "no build of this stage is remembered"}, reasons(p)); diff != "" {
		t.Errorf("reasons (-want +got):\n%s", diff)
	}
}

// TestWhichAddedFile names the files inside of an added directory.
func TestWhichAddedFile(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string, mode os.FileMode) {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
	}
	planned := func() *plan.Plan {
		t.Helper()
		in := inputs()
		in.Contents = map[string][]files.AddedFile{}
		for src, name := range map[string]string{"f": ".", "g": "alone"} {
			digest, all, err := files.DigestAll(t.Context(), filepath.Join(dir, name))
			if err != nil {
				t.Fatal(err)
			}
			in.Files[plan.SourceKey("s", src)], in.Contents[plan.SourceKey("s", src)] = digest, all
		}
		return planOf(t, start+`<action>COPY f g /x/</action></buildstage>`, in, 1)
	}
	write("etc/motd", "one", 0o644)
	write("alone", "text", 0o644)
	write("gone", "", 0o644)
	for _, c := range []struct {
		change func()
		want   string
	}{
		{func() { write("etc/motd", "two", 0o644) }, "file f/etc/motd changed since build b1"},
		{func() { write("etc/motd", "one", 0o755) }, "mode of f/etc/motd was 644 and is 755 since build b1"},
		{func() { write("new", "", 0o644) }, "file f/new is new since build b1"},
		{func() { os.Remove(filepath.Join(dir, "gone")) }, "file f/gone is gone since build b1"},
		{func() { write("alone", "other", 0o644) }, "file f/alone changed, file g changed since build b1"},
		{func() { write("alone", "text", 0o755) }, "mode of f/alone was 644 and is 755, mode of g was 644 and is 755 since build b1"},
	} {
		h := History{Dir: filepath.Join(t.TempDir(), "history")}
		before := planned()
		if err := h.Write("a.xml", before, "b1"); err != nil {
			t.Fatal(err)
		}
		c.change()
		p := planned()
		h.Explain("a.xml", p)
		if got := reasons(p)["s 2"]; got != c.want {
			t.Errorf("got %q, want %q", got, c.want)
		}
		write("etc/motd", "one", 0o644)
		write("alone", "text", 0o644)
		write("gone", "", 0o644)
		os.Remove(filepath.Join(dir, "new"))
	}
}
