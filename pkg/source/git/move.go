// SPDX-License-Identifier: MPL-2.0

package git

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// LocalChangesError says that moving a checkout to another commit could lose work
// in it.
type LocalChangesError struct {
	Dir  string
	What string // such as the names of changed files
}

func (e *LocalChangesError) Error() string {
	return fmt.Sprintf("%s has %s: commit and push, or undo them first", e.Dir, e.What)
}

// Move moves an existing checkout in dir to a commit, and reports whether it was at
// another one. Untracked files are kept. If tracked files were changed, or there
// are commits that the mirror does not have, it changes nothing and returns a
// LocalChangesError. The commit must be in the mirror (Ensure).
//
// The checkout's own configuration is used, except for hooks.
func (c *Cache) Move(ctx context.Context, p Pinned, dir string, o CheckoutOptions) (bool, error) {
	m, err := c.mirror(p.URL)
	if err != nil {
		return false, err
	}
	if err := o.complete(m.url); err != nil {
		return false, err
	}
	if !isID(p.Commit) {
		return false, fmt.Errorf("%q is not a commit id", p.Commit)
	}
	w := worktree{c, dir}
	head, err := w.git(ctx, "", "rev-parse", "--verify", "--quiet", "--end-of-options", "HEAD^{commit}")
	if err == nil && head == p.Commit || ctx.Err() != nil {
		return false, err
	}
	if err != nil {
		return false, fmt.Errorf("%s has no commit checked out: %w", dir, err)
	}
	if err := w.unchanged(ctx, m, head, o.Branch); err != nil {
		return false, err
	}
	if err := w.move(ctx, m, p.Commit, o); err != nil {
		return false, fmt.Errorf("move %s to %s: %w", dir, p.Commit, err)
	}
	return true, nil
}

// worktree is a checkout that the user may have worked in.
type worktree struct {
	cache *Cache
	dir   string
}

func (w worktree) git(ctx context.Context, stdin string, args ...string) (string, error) {
	out, err := w.cache.git(ctx, command{
		args: args, dir: w.dir, env: []string{"GIT_DIR=.git", "GIT_WORK_TREE=."}, stdin: strings.NewReader(stdin),
		config: [][2]string{{"advice.detachedHead", "false"}},
	})
	return strings.TrimRight(string(out), "\n"), err
}

// unchanged refuses a checkout in which something would be lost.
func (w worktree) unchanged(ctx context.Context, m *mirror, head, branch string) error {
	status, err := w.git(ctx, "", "status", "--porcelain", "-z", "--untracked-files=no", "--ignore-submodules=all")
	if err != nil {
		return fmt.Errorf("status of %s: %w", w.dir, err)
	}
	if changed := strings.Split(strings.TrimRight(status, "\x00"), "\x00"); changed[0] != "" {
		names := make([]string, 0, 3)
		for _, c := range changed[:min(len(changed), 3)] {
			names = append(names, printable(c[min(3, len(c)):]))
		}
		return &LocalChangesError{w.dir, "local changes (" + strings.Join(names, ", ") + ")"}
	}
	ids := []string{head}
	if branch != "" { // the branch is going to be set
		if id, err := w.git(ctx, "", "rev-parse", "--verify", "--quiet", "--end-of-options", "refs/heads/"+branch); err == nil && id != head {
			ids = append(ids, id)
		}
	}
	types, err := m.types(ctx, ids)
	if err != nil {
		return err
	}
	if slices.ContainsFunc(ids, func(id string) bool { return types[id] != "commit" }) {
		return &LocalChangesError{w.dir, "commits that " + redact(m.url) + " does not have"}
	}
	return nil
}

func (w worktree) move(ctx context.Context, m *mirror, id string, o CheckoutOptions) error {
	use, err := m.hold(ctx, ".use", false)
	if err != nil {
		return err
	}
	defer use.Close()
	tags, err := m.tagsIn(ctx, id)
	if err != nil {
		return err
	}
	specs := id + "\n"
	for _, t := range tags {
		specs += "+" + t.name + ":" + t.name + "\n"
	}
	if _, err := w.git(ctx, specs, "fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "--no-auto-gc", "--no-recurse-submodules", "--stdin", "--end-of-options", m.dir()); err != nil {
		return err
	}
	args := []string{"checkout", "--quiet", "--detach", id}
	if o.Branch != "" {
		args = []string{"checkout", "--quiet", "--no-track", "-B", o.Branch, id}
	}
	if _, err := w.git(ctx, "", args...); err != nil {
		return err
	}
	_, err = w.git(ctx, "", "config", "remote."+o.RemoteName+".url", o.RemoteURL)
	return err
}
