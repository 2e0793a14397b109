// SPDX-License-Identifier: MPL-2.0

package git

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// CheckoutOptions determine the .git of a checkout.
type CheckoutOptions struct {
	RemoteName string // "" means origin
	RemoteURL  string // "" means that of the pin; a password in it is left out
	Branch     string // branch that is checked out; "" means none, a detached HEAD
	// Epoch is the latest time of a file, in seconds since 1970. If it is set, the
	// tree is the same, byte for byte, whatever cache it comes from, as long as the
	// tags in the history and git's version are the same; packing takes longer the
	// first time. Otherwise the packs are those of the mirror.
	Epoch *int64
}

// Checkout writes a commit's files and its own .git into dir, which must not exist
// or be empty. The commit must be in the mirror (Ensure). Times are the commit's;
// files have mode 0644 or 0755 whatever the umask. .git has the history of the
// commit and the tags in it. Submodules stay empty. If the mirror turns out to be
// damaged, it is fetched again. On error dir is empty.
//
// Each program that works in dir enters it once, so dir may be a path such as
// /proc/self/fd/N of an open directory.
func (c *Cache) Checkout(ctx context.Context, p Pinned, dir string, o CheckoutOptions) error {
	m, err := c.mirror(p.URL)
	if err != nil {
		return err
	}
	if err := o.complete(m.url); err != nil {
		return err
	}
	if !isID(p.Commit) {
		return fmt.Errorf("%q is not a commit id", p.Commit)
	}
	if err := emptyDir(dir); err != nil {
		return err
	}
	err = m.checkout(ctx, p.Commit, dir, o)
	if err == nil || ctx.Err() != nil || !isDamage(err) {
		return m.cleared(dir, p, err)
	}
	healed, healErr := m.heal(ctx)
	if !healed {
		return m.cleared(dir, p, errors.Join(err, healErr))
	}
	if err := errors.Join(m.cleared(dir, p, nil), clearDir(dir)); err != nil {
		return err
	}
	if err := m.ensure(ctx, []string{p.Commit}); err != nil {
		return err
	}
	return m.cleared(dir, p, m.checkout(ctx, p.Commit, dir, o))
}

func isDamage(err error) bool {
	var g *gitError
	return errors.As(err, &g)
}

// cleared empties dir after an error, and adds to the error what was being done.
func (m *mirror) cleared(dir string, p Pinned, err error) error {
	if err == nil {
		return nil
	}
	return errors.Join(fmt.Errorf("check out %s of %s: %w", p.Commit, redact(m.url), err), clearDir(dir))
}

func (o *CheckoutOptions) complete(url string) error {
	if o.RemoteName == "" {
		o.RemoteName = "origin"
	}
	if o.RemoteURL == "" {
		o.RemoteURL = url
	}
	o.RemoteURL = redact(o.RemoteURL)
	if !validRef("refs/remotes/" + o.RemoteName) {
		return fmt.Errorf("%q cannot be the name of a remote", o.RemoteName)
	}
	if o.Branch != "" && (!validRef("refs/heads/"+o.Branch) || strings.HasPrefix(o.Branch, "-")) {
		return fmt.Errorf("%q cannot be the name of a branch", o.Branch)
	}
	return nil
}

// emptyDir makes dir, or checks that it is empty.
func emptyDir(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	entries, err := os.ReadDir(dir)
	if err == nil && len(entries) > 0 {
		err = fmt.Errorf("%s is not empty", dir)
	}
	return err
}

func clearDir(dir string) error {
	entries, err := os.ReadDir(dir)
	for _, e := range entries {
		err = errors.Join(err, os.RemoveAll(filepath.Join(dir, e.Name())))
	}
	return err
}

func (m *mirror) checkout(ctx context.Context, id, dir string, o CheckoutOptions) error {
	missing, err := m.missing(ctx, []string{id})
	if err != nil {
		return err
	}
	if len(missing) > 0 {
		return errors.New("it is not in the cache")
	}
	use, err := m.hold(ctx, ".use", false)
	if err != nil {
		return err
	}
	defer use.Close()
	when, err := m.commitTime(ctx, id)
	if err != nil {
		return err
	}
	if o.Epoch != nil {
		when = min(when, *o.Epoch)
	}
	g := gitDir{path: filepath.Join(dir, ".git"), digits: len(id), head: id, options: o}
	if g.tags, err = m.tagsIn(ctx, id); err != nil {
		return err
	}
	packs, lock, err := m.pack(ctx, g.tips(), o.Epoch != nil)
	if err != nil {
		return err
	}
	if err := errors.Join(g.write(packs), lock.Close()); err != nil {
		return err
	}
	_, err = m.cache.git(ctx, command{
		args: []string{"read-tree", "-m", "-u", id}, dir: dir, env: []string{"GIT_DIR=.git", "GIT_WORK_TREE=."},
		config: [][2]string{{"index.version", "2"}, {"index.threads", "1"}, {"index.skipHash", "false"}, {"core.untrackedCache", "false"}, {"core.splitIndex", "false"}, {"core.symlinks", "true"}},
	})
	if err != nil {
		return err
	}
	modules, err := g.settleIndex(dir, when)
	if err != nil {
		return err
	}
	if modules > 0 {
		m.cache.event(Event{URL: redact(m.url), Note: fmt.Sprintf("%d submodules are not fetched: their directories stay empty", modules)})
	}
	return stamp(dir, when, o.Epoch)
}

// commitTime is the time of the commit, in seconds since 1970. A time that some
// file system cannot store is replaced by the nearest that all can store.
func (m *mirror) commitTime(ctx context.Context, id string) (int64, error) {
	out, err := m.git(ctx, nil, "show", "--no-patch", "--format=%ct", "--end-of-options", id)
	if err != nil {
		return 0, err
	}
	n, _ := strconv.ParseInt(strings.TrimSpace(string(out)), 10, 64) // a number that is too large becomes the largest
	return min(max(n, 0), 1<<32-2), nil
}

// ref is a name and the id that it stands for.
type ref struct{ name, id string }

// tagsIn are the tags of commits in the history of a commit, sorted by name.
func (m *mirror) tagsIn(ctx context.Context, id string) ([]ref, error) {
	out, err := m.git(ctx, nil, "for-each-ref", "--sort=refname", "--merged="+id, "--format=%(objectname) %(refname)", "refs/tags/")
	if err != nil {
		return nil, err
	}
	var tags []ref
	for line := range strings.Lines(string(out)) {
		if id, name, ok := strings.Cut(strings.TrimSuffix(line, "\n"), " "); ok {
			tags = append(tags, ref{name, id})
		}
	}
	return tags, nil
}
