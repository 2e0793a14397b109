// SPDX-License-Identifier: MPL-2.0

package engine_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/carosio/carosbuild/pkg/decl/finding"
	"github.com/carosio/carosbuild/pkg/engine"
	"github.com/carosio/carosbuild/pkg/plan"
	"github.com/carosio/carosbuild/pkg/source/git"
)

// repository is a git repository on this machine.
type repository struct {
	t   *testing.T
	dir string
}

func newRepository(t *testing.T) repository {
	t.Helper()
	if _, err := exec.LookPath("git"); err != nil {
		missing(t, "git")
	}
	r := repository{t, t.TempDir()}
	r.git("init", "-q", "-b", "main")
	return r
}

func (r repository) git(args ...string) string {
	r.t.Helper()
	cmd := exec.CommandContext(r.t.Context(), "git", args...)
	cmd.Dir = r.dir
	cmd.Env = append(os.Environ(), "HOME="+r.dir, "GIT_CONFIG_NOSYSTEM=1", "GIT_AUTHOR_NAME=a", "GIT_AUTHOR_EMAIL=a@b", "GIT_COMMITTER_NAME=a", "GIT_COMMITTER_EMAIL=a@b")
	out, err := cmd.CombinedOutput()
	if err != nil {
		r.t.Fatalf("git %q: %v: %s", args, err, out)
	}
	return strings.TrimSpace(string(out))
}

// commit makes a commit of the tree's files and new ones of fill.
func (r repository) commit(all ...string) string {
	r.t.Helper()
	if err := fill(r.dir, all...); err != nil {
		r.t.Fatal(err)
	}
	r.git("add", "-A")
	r.git("commit", "-q", "-m", "x")
	return r.git("rev-parse", "HEAD")
}

// reposync is a REPOSYNC of the tree at a commit.
func (r repository) reposync(b *bench, commit string) plan.Step {
	from := git.Pinned{URL: "file://" + r.dir, Revision: commit, Commit: commit}
	tree := plan.GitTree{Path: "/REDO/source/poky", URL: from.URL, Revision: commit, Commit: commit, Span: finding.Span{File: "a.xml", Line: 5}}
	return b.step("REPOSYNC", &plan.Reposync{Trees: []plan.GitTree{tree}, From: []git.Pinned{from}})
}

// withoutGit are the files of a layer except for git's own.
func (b *bench) withoutGit(s engine.State) []string {
	b.t.Helper()
	var out []string
	dir := filepath.Join(b.snaps.LayerDir(s.Layer), "REDO/source/poky")
	names, err := os.ReadDir(dir)
	if err != nil {
		b.t.Fatal(err)
	}
	for _, n := range names {
		out = append(out, n.Name())
	}
	return out
}

// Trees are checked out at their commits, belong to the user, and move to the next commit.
func TestReposyncStep(t *testing.T) {
	b, r := newBench(t), newRepository(t)
	b.Git = &git.Cache{Dir: filepath.Join(b.CacheDir, "git"), Env: []string{"HOME=" + r.dir}}
	first := r.commit("a=1", "old=1", "sub/x=1")
	if err := errors.Join(os.Remove(filepath.Join(r.dir, "old")), os.RemoveAll(filepath.Join(r.dir, "sub"))); err != nil {
		t.Fatal(err)
	}
	second := r.commit("a=2", "new=1")
	s := b.base()
	s.Config.Config.User = "web"
	one := must(t)(b.execute(s, r.reposync(b, first)))
	if got := b.withoutGit(one); !slices.Equal(got, []string{".git", "a", "old", "sub"}) {
		t.Errorf("the first commit has %q", got)
	}
	if got, want := one.Config.Config.Labels["io.carosio.carosbuild.git:/REDO/source/poky"], first+" file://"+r.dir; got != want {
		t.Errorf("label %q, want %q", got, want)
	}
	if owners := b.snaps.Owners(); !slices.ContainsFunc(owners, func(o string) bool { return strings.HasPrefix(o, "old ") && !strings.HasSuffix(o, " 0:0") }) {
		t.Errorf("owners %q", owners)
	}
	mine := engine.State{Layer: b.layer(one.Layer, "REDO/source/poky/mine=1"), Config: one.Config}
	two := must(t)(b.execute(mine, r.reposync(b, second)))
	if got := b.withoutGit(two); !slices.Equal(got, []string{".git", "a", "mine", "new"}) {
		t.Errorf("the second commit has %q", got)
	}
	again := must(t)(b.execute(two, r.reposync(b, second)))
	if again.Layer != two.Layer || !again.Config.History[2].EmptyLayer {
		t.Errorf("once more: layer %s, history %+v", again.Layer, again.Config.History)
	}
	log, err := os.ReadFile(b.LogPath("s"))
	if want := "/REDO/source/poky: " + second + " of file://" + r.dir; err != nil || !strings.Contains(string(log), want) {
		t.Errorf("the log has %q, %v", log, err)
	}
}

// Files of a commit that is no longer available stay, and a note says so.
func TestReposyncFromAnUnknownCommit(t *testing.T) {
	b, r := newBench(t), newRepository(t)
	b.Git = &git.Cache{Dir: filepath.Join(b.CacheDir, "git"), Env: []string{"HOME=" + r.dir}}
	id := r.commit("a=1")
	s := b.base("REDO/source/poky/.git/HEAD="+strings.Repeat("12", 20)+"\n", "REDO/source/poky/old=1")
	got := must(t)(b.execute(s, r.reposync(b, id)))
	if files := b.withoutGit(got); !slices.Equal(files, []string{".git", "a", "old"}) {
		t.Errorf("got %q", files)
	}
	if !slices.ContainsFunc(b.events.all(), func(e string) bool { return strings.Contains(e, "which was there before, may be left") }) {
		t.Errorf("events %q", b.events.all())
	}
}

// A commit that the repository does not have is reported at its place in the declaration.
func TestReposyncOfACommitThatIsGone(t *testing.T) {
	b, r := newBench(t), newRepository(t)
	b.Git = &git.Cache{Dir: filepath.Join(b.CacheDir, "git"), Env: []string{"HOME=" + r.dir}}
	r.commit("a=1")
	_, err := b.execute(b.base(), r.reposync(b, strings.Repeat("12", 20)))
	var fe *finding.ListError
	if !errors.As(err, &fe) || fe.Findings[0].Span.Line != 5 {
		t.Errorf("error %v", err)
	}
}
