// SPDX-License-Identifier: MPL-2.0

package offline

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/carosio/carosbuild/pkg/decl/finding"
	"github.com/carosio/carosbuild/pkg/download"
	"github.com/carosio/carosbuild/pkg/netfault"
	"github.com/carosio/carosbuild/pkg/oci"
	"github.com/carosio/carosbuild/pkg/plan"
	"github.com/carosio/carosbuild/pkg/source/debian"
	"github.com/carosio/carosbuild/pkg/source/git"
)

// TestLacking: all is listed at once, with its place, and of steps that run only.
func TestLacking(t *testing.T) {
	sum := strings.Repeat("ab", 32)
	commit := strings.Repeat("12", 20)
	packages := &debian.Resolution{Packages: []debian.Package{{Name: "bash", Version: "5.2-1", Arch: "amd64", URL: "http://m/debian", Filename: "pool/b/bash.deb", Size: 2048, Sum: sum}}}
	at := func(line int) finding.Span { return finding.Span{File: "a.xml", Line: line, Col: 3} }
	from := func(image, pinned string) *plan.From { return &plan.From{Image: image, Pinned: pinned, Arch: "amd64"} }
	closed := "http://m/x: " + download.NotAsked
	p := &plan.Plan{Stages: []plan.Job{
		{ID: "cached", Steps: []plan.Step{{Span: at(1), Action: from("a:1", "reg/a@sha256:11")}, {Cached: true, Action: &plan.Run{}}, {Action: &plan.Run{}}}},
		{ID: "images", Steps: []plan.Step{
			{Span: at(2), Action: from("a:1", "reg/a@sha256:11")},
			{Span: at(3), Action: from("here:1", "reg/here@sha256:22")},
			{Span: at(4), Action: from("oci:dir", "oci:dir@sha256:33")},
			{Span: at(5), Action: from("b:1", ""), Unresolved: closed},
		}},
		{ID: "packages", Steps: []plan.Step{
			{Span: at(6), Action: &plan.Bootstrap{Packages: packages}},
			{Span: at(7), Action: &plan.Bootstrap{Wanted: debian.Bootstrap{Suite: "sid", Arch: "amd64"}}, Unresolved: "verify InRelease: bad signature"},
		}},
		{ID: "trees", Steps: []plan.Step{{Span: at(8), Action: &plan.Reposync{
			Trees: []plan.GitTree{{URL: "https://g/a", Revision: commit, Commit: commit}, {URL: "https://g/b", Revision: "main"}},
			From:  []git.Pinned{{URL: "https://me:password@g/a", Commit: commit}, {}},
		}}}},
	}}
	got, err := Lacking(t.Context(), p, Here{
		Packages: &debian.Fetcher{Cache: t.TempDir()}, Git: &git.Cache{Dir: t.TempDir()}, Local: oci.IsLocal,
		Image: func(ref, _ string) (bool, error) { return strings.Contains(ref, "here"), nil },
	})
	must(t, err)
	want := []Need{
		{"images", at(2), "image a:1 for amd64, sha256:11"},
		{"images", at(5), "image b:1: neither a lock file nor an earlier build says which digest this is"},
		{"packages", at(6), "package bash 5.2-1 for amd64, pool/b/bash.deb (2 KiB, " + sum + ")"},
		{"packages", at(7), "packages of sid for amd64: neither a lock file nor an earlier build says which these are (verify InRelease: bad signature)"},
		{"trees", at(8), "revision main of https://g/b: neither a lock file nor an earlier build says which commit this is"},
		{"trees", at(8), "commit " + commit + " of https://g/a"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]Need{want[1], want[3], want[4]}, Unknown(p)); diff != "" {
		t.Error(diff)
	}
	lacking := &LackingError{Needs: got}
	text := lacking.Error()
	for _, line := range []string{"lacks 6 things:", "\n  a.xml:2:3: stage images:\n    image a:1", "\n  a.xml:8:3: stage trees:\n    revision main of https://g/b: neither a lock file nor an earlier build says which commit this is\n    commit 12", "carosbuild vendor", "\nremedy:"} {
		if !strings.Contains(text, line) {
			t.Errorf("no %q in\n%s", line, text)
		}
	}
	if !netfault.Is(lacking) {
		t.Error("it is not one of the network")
	}
}
