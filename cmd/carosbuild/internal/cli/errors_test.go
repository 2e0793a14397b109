// SPDX-License-Identifier: MPL-2.0

package cli

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/carosio/carosbuild/pkg/decl"
	"github.com/carosio/carosbuild/pkg/decl/finding"
	"github.com/carosio/carosbuild/pkg/oci/registry"
	"github.com/carosio/carosbuild/pkg/plan"
	"github.com/carosio/carosbuild/pkg/remedy"
	"github.com/carosio/carosbuild/pkg/source/git"
)

// If the host lacks something for a step, the message shows the step in the
// declaration.
func TestReportHostOfStep(t *testing.T) {
	var out strings.Builder
	a := &App{Stderr: &out, Getenv: func(string) string { return "" }}
	a.Files = []decl.Source{{Name: "a.xml", Data: []byte("<redo>\n<x/>\n</redo>\n")}}
	status := a.Report(&plan.StepError{
		Stage: "base", Kind: "BOOTSTRAP", Span: finding.Span{File: "a.xml", Line: 2, Col: 1, Len: 4}, Log: "/log",
		Err: &remedy.Error{Tried: "run arm", Err: errors.New("no"), Cure: "install it"},
	})
	want := `a.xml:2:1: error: stage base: BOOTSTRAP failed: run arm: no
    2 |<x/>
      |^^^^
remedy:      install it
full log:    /log
`
	if diff := cmp.Diff(out.String(), want); diff != "" || status != ExitHost {
		t.Errorf("status %d, want %d; output (-got +want):\n%s", status, ExitHost, diff)
	}
}

// TestReportGitOfStep: if two servers do not answer, the message names both, and
// the remedy.
func TestReportGitOfStep(t *testing.T) {
	var out strings.Builder
	a := &App{Stderr: &out, Getenv: func(string) string { return "" }}
	a.Files = []decl.Source{{Name: "a.xml", Data: []byte("<redo>\n<x/>\n</redo>\n")}}
	status := a.Report(&plan.StepError{
		Stage: "s", Kind: "REPOSYNC", Span: finding.Span{File: "a.xml", Line: 2, Col: 1, Len: 4}, Log: "/log",
		Err: errors.Join(&git.NetworkError{URL: "git://a/", Text: "no"}, &git.NetworkError{URL: "git://b/", Text: "no, too"}),
	})
	want := `a.xml:2:1: error: stage s: REPOSYNC failed: git://a/: no
    2 |<x/>
      |^^^^
also:        git://b/: no, too
remedy:      --remote NAME=URL takes a git remote from another server, or from a directory
full log:    /log
`
	if diff := cmp.Diff(out.String(), want); diff != "" || status != ExitNetwork {
		t.Errorf("status %d, want %d; output (-got +want):\n%s", status, ExitNetwork, diff)
	}
}

// TestReportRegistry: if a registry does not deliver an image, it counts as an
// error of the network, also in a step, and the message has the remedy.
func TestReportRegistry(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/v2/" {
			return
		}
		w.Header().Set("WWW-Authenticate", `Basic realm="x"`)
		w.WriteHeader(http.StatusUnauthorized)
	}))
	defer srv.Close()
	host := strings.TrimPrefix(srv.URL, "http://")
	_, err := registry.Client{}.Resolve(t.Context(), host+"/x:1", "")
	for name, e := range map[string]error{"alone": err, "of a step": &plan.StepError{Stage: "s", Kind: "FROM", Err: err}} {
		var out strings.Builder
		a := &App{Stderr: &out, Getenv: func(string) string { return "" }}
		if status := a.Report(e); status != ExitNetwork || !strings.Contains(out.String(), "requires a login for "+host+"/x") || !strings.Contains(out.String(), "remedy:      podman login "+host+"\n") {
			t.Errorf("%s: status %d, output:\n%s", name, status, &out)
		}
	}
}

// Of an error that was shown, only what was joined with it is printed.
func TestSaid(t *testing.T) {
	var out strings.Builder
	a := &App{Stderr: &out}
	said := Said(&plan.StepError{Stage: "s", Kind: "RUN", Status: 7})
	for _, err := range []error{said, errors.Join(said, nil), errors.Join(errors.Join(said, nil))} {
		if got := a.Report(err); got != ExitFailed || out.String() != "" {
			t.Errorf("%v: status %d, printed %q", err, got, &out)
		}
	}
	if got := a.Report(errors.Join(errors.Join(said, errors.New("one")), errors.New("two"))); got != ExitFailed || out.String() != "carosbuild: one\ncarosbuild: two\n" {
		t.Errorf("status %d, printed %q", got, &out)
	}
}
