// SPDX-License-Identifier: MPL-2.0

package resolve

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/carosio/carosbuild/pkg/decl"
	"github.com/carosio/carosbuild/pkg/decl/finding"
	"github.com/carosio/carosbuild/pkg/oci/registry"
	"github.com/carosio/carosbuild/pkg/source/git"
)

// newRepository makes an empty git repository.
func newRepository(t *testing.T) string {
	t.Helper()
	if _, err := exec.LookPath("git"); err != nil {
		if os.Getenv("CAROSBUILD_REQUIRE_TOOLS") == "1" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	dir := filepath.Join(t.TempDir(), "poky")
	gitIn(t, ".", "init", "--quiet", "--initial-branch=main", dir)
	return dir
}

func gitIn(t *testing.T, dir string, args ...string) string {
	t.Helper()
	cmd := exec.Command("git", append([]string{"-C", dir, "-c", "user.name=T", "-c", "user.email=t@example.org"}, args...)...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("git %q: %v\n%s", args, err, out)
	}
	return strings.TrimSpace(string(out))
}

// newCommit adds a commit to the branch.
func newCommit(t *testing.T, dir string) string {
	t.Helper()
	gitIn(t, dir, "commit", "--quiet", "--allow-empty", "-m", "more")
	return gitIn(t, dir, "rev-parse", "HEAD")
}

// treesDeclaration has trees from the repository, the base layer first.
func treesDeclaration(t *testing.T, dir string, revisions ...string) *decl.Declaration {
	t.Helper()
	text := fmt.Sprintf(`<redo><layer_declaration><remote name="r" baseurl="%s/"/><baselayer remote="r" repo="poky" revision=%q/>`, filepath.Dir(dir), revisions[0])
	for i, rev := range revisions[1:] {
		text += fmt.Sprintf("\n"+`<layer name="l%d" remote="r" repo="poky" revision=%q/>`, i, rev)
	}
	d, findings := decl.Parse(decl.Source{Name: "a.xml", Data: []byte(text + `</layer_declaration><buildstage id="s"><action>FROM scratch</action><reposync/></buildstage></redo>`)})
	if len(findings) > 0 {
		t.Fatal(findings)
	}
	return d
}

func newTreesResolver(t *testing.T) *Resolver {
	t.Helper()
	return &Resolver{
		Registry: registry.Client{Env: func(string) string { return "" }},
		Git:      &git.Cache{Dir: t.TempDir(), Env: []string{"PATH=" + os.Getenv("PATH")}}, Pins: Pins{Dir: t.TempDir()}, Arch: "amd64",
	}
}

// TestTreesStay: a branch stays at its first commit until Update is set, or at the
// lock file's commit, wherever it is by now.
func TestTreesStay(t *testing.T) {
	dir := newRepository(t)
	first := newCommit(t, dir)
	d := treesDeclaration(t, dir, "main")
	r := newTreesResolver(t)
	resolve := func(what, want string) *Resolved {
		t.Helper()
		out, err := r.Resolve(t.Context(), d, []string{"s"})
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		if got := out.Trees[0].Commit; got != want {
			t.Errorf("%s: commit %s, want %s", what, got, want)
		}
		return out
	}
	resolve("at first", first)
	second := newCommit(t, dir)
	locked, err := resolve("when the branch has moved", first).Lock(d, []string{"s"})
	if err != nil {
		t.Fatal(err)
	}
	r.Update = true
	resolve("with Update", second)
	r.Update = false
	resolve("after that", second)
	want := map[string]LockedGit{dir + " main": {Commit: first, Ref: "refs/heads/main"}}
	if diff := cmp.Diff(locked.Git, want); diff != "" {
		t.Errorf("lock file (-got +want):\n%s", diff)
	}
	r.Lock = locked
	resolve("with a lock file", first)
	r.Locked = true
	resolve("locked", first)

	r.Lock = &Lock{}
	_, err = r.Resolve(t.Context(), d, []string{"s"})
	if de := (*finding.ListError)(nil); !errors.As(err, &de) || !strings.Contains(err.Error(), "revision main of "+dir+" is not in the lock file") {
		t.Errorf("locked, and pinned by an earlier build only: %v", err)
	}
	r.Locked = false
	var notes []string
	r.Note = func(stage, text string) { notes = append(notes, stage+text) }
	resolve("not in the lock file", second)
	if diff := cmp.Diff(notes, []string{"revision main of " + dir + " is not in the lock file"}); diff != "" {
		t.Errorf("notes (-got +want):\n%s", diff)
	}
}

// TestTreesUnresolved: all revisions that do not exist are reported at their
// places.
func TestTreesUnresolved(t *testing.T) {
	dir := newRepository(t)
	newCommit(t, dir)
	gitIn(t, filepath.Dir(dir), "clone", "--quiet", "--bare", dir, "other")
	d := treesDeclaration(t, dir, "nosuch", "main")
	d.Layers[0].Repo, d.Layers[0].Revision = "other", "neither"
	r := newTreesResolver(t)
	_, err := r.Resolve(t.Context(), d, []string{"s"})
	var de *finding.ListError
	if !errors.As(err, &de) {
		t.Fatalf("got %v, want findings", err)
	}
	var got []string
	for _, f := range de.Findings {
		got = append(got, fmt.Sprintf("%d: %s", f.Span.Line, strings.ReplaceAll(f.Summary, filepath.Dir(dir), "DIR")))
	}
	want := []string{"1: DIR/poky has no nosuch: no branch or tag has this name", "2: DIR/other has no neither: no branch or tag has this name"}
	if diff := cmp.Diff(got, want); diff != "" {
		t.Errorf("findings (-got +want):\n%s", diff)
	}

	if err := os.RemoveAll(filepath.Join(filepath.Dir(dir), "other")); err != nil { // whose server does not answer
		t.Fatal(err)
	}
	r = newTreesResolver(t)
	if _, err := r.Resolve(t.Context(), d, []string{"s"}); err == nil || errors.As(err, &de) && len(de.Findings) < 2 {
		t.Errorf("got %v, want the error of the server too", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := r.Resolve(ctx, d, []string{"s"}); !errors.Is(err, context.Canceled) {
		t.Errorf("interrupted: %v", err)
	}
}
