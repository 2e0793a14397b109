// SPDX-License-Identifier: MPL-2.0

package git

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/carosio/carosbuild/pkg/tooltest"
)

// origin is a bare repository with a work tree beside it, made by git itself.
type origin struct {
	t    *testing.T
	work string
	bare string
}

func requireGit(t *testing.T) {
	t.Helper()
	tooltest.Find(t, "git")
}

// newOrigin is a repository with one commit on main.
func newOrigin(t *testing.T, initArgs ...string) *origin {
	t.Helper()
	requireGit(t)
	dir := t.TempDir()
	o := &origin{t, filepath.Join(dir, "work"), filepath.Join(dir, "tree.git")}
	must(t, os.Mkdir(o.work, 0o755))
	o.git(append([]string{"init", "--quiet", "--initial-branch=main"}, initArgs...)...)
	o.run("", "git", append([]string{"init", "--quiet", "--bare", "--initial-branch=main", o.bare}, initArgs...)...)
	o.commit("README", "hello\n")
	o.push()
	return o
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (o *origin) git(args ...string) string { return o.run(o.work, "git", args...) }

func (o *origin) run(dir, name string, args ...string) string {
	o.t.Helper()
	cmd := exec.CommandContext(o.t.Context(), name, args...)
	cmd.Dir = dir
	cmd.Env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=/nonexistent", "GIT_CONFIG_NOSYSTEM=1",
		"GIT_AUTHOR_NAME=A", "GIT_AUTHOR_EMAIL=a@example.org", "GIT_AUTHOR_DATE=1400000000 +0200",
		"GIT_COMMITTER_NAME=C", "GIT_COMMITTER_EMAIL=c@example.org", "GIT_COMMITTER_DATE=1400000000 +0200",
		"GIT_CONFIG_COUNT=3", "GIT_CONFIG_KEY_2=core.fsync", "GIT_CONFIG_VALUE_2=none", "GIT_CONFIG_KEY_0=safe.directory", "GIT_CONFIG_VALUE_0=*", "GIT_CONFIG_KEY_1=protocol.file.allow", "GIT_CONFIG_VALUE_1=always",
	}
	out, err := cmd.CombinedOutput()
	if err != nil {
		o.t.Fatalf("%s %q: %v\n%s", name, args, err, out)
	}
	return strings.TrimSpace(string(out))
}

// commit writes a file and commits all changes. It returns the id.
func (o *origin) commit(name, text string) string {
	o.t.Helper()
	path := filepath.Join(o.work, name)
	must(o.t, os.MkdirAll(filepath.Dir(path), 0o755))
	must(o.t, os.WriteFile(path, []byte(text), 0o644))
	return o.commitAll("change " + name)
}

func (o *origin) commitAll(message string) string {
	o.t.Helper()
	o.git("add", "--all")
	o.git("commit", "--quiet", "--allow-empty", "-m", message)
	return o.git("rev-parse", "HEAD")
}

// push updates the bare repository.
func (o *origin) push() {
	o.t.Helper()
	o.git("push", "--quiet", "--mirror", "--force", "--end-of-options", o.bare)
}

// newCache is an empty cache with an empty environment.
func newCache(t *testing.T) *Cache {
	t.Helper()
	return &Cache{Dir: filepath.Join(t.TempDir(), "git"), Env: []string{"HOME=/nonexistent"}}
}

// get resolves, ensures and checks out.
func get(t *testing.T, c *Cache, url, revision string, o CheckoutOptions) (Pinned, string) {
	t.Helper()
	p, err := c.Resolve(t.Context(), Tree{url, revision})
	must(t, err)
	must(t, c.Ensure(t.Context(), []Pinned{p}))
	dir := filepath.Join(t.TempDir(), "tree")
	must(t, c.Checkout(t.Context(), p, dir, o))
	return p, dir
}

// newHostGit runs git for commands whose errors do not fail the test.
func newHostGit(o *origin, args ...string) ([]byte, error) {
	return exec.CommandContext(o.t.Context(), "git", args...).CombinedOutput()
}
