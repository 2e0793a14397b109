// SPDX-License-Identifier: MPL-2.0

package git

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// listing is what a server lists: full names of refs, and their ids. The commit of
// an annotated tag is listed as NAME^{}.
type listing map[string]string

func (m *mirror) list(ctx context.Context) (listing, error) {
	out, err := m.ask(ctx, os.DevNull, nil, nil, "ls-remote", "--quiet", "upstream")
	if err != nil {
		return nil, err
	}
	refs := listing{}
	for line := range strings.Lines(string(out)) {
		if id, name, ok := strings.Cut(strings.TrimSuffix(line, "\n"), "\t"); ok && isID(id) {
			refs[name] = id
		}
	}
	return refs, nil
}

// refspecs define the content of a mirror: all branches and tags under their own
// names.
var refspecs = []string{"+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*"}

// fetch fetches refspecs, or whole repositories, into a repository. It reports
// whether the server's copy is shallow, in which case git does not accept its refs.
func (m *mirror) fetch(ctx context.Context, gitDir string, lock *os.File, specs ...string) (shallow bool, err error) {
	args := []string{"fetch", "--progress", "--prune", "--no-tags", "--force", "--no-write-fetch-head", "--no-auto-gc", "--no-recurse-submodules", "--end-of-options", "upstream"}
	heard := ""
	_, err = m.ask(ctx, gitDir, lock, &heard, append(args, specs...)...)
	return strings.Contains(heard, "shallow"), err
}

// create makes the mirror, for ids of the same length as those of the server's
// refs.
func (m *mirror) create(ctx context.Context, lock *os.File, refs listing) (shallow bool, err error) {
	digits := 40
	for _, id := range refs {
		digits = len(id)
	}
	tmp, err := m.init(ctx, lock, digits)
	if err != nil {
		return false, err
	}
	if shallow, err = m.fetch(ctx, tmp, lock, refspecs...); err != nil {
		return shallow, errors.Join(err, os.RemoveAll(tmp))
	}
	return shallow, m.replace(ctx, tmp)
}

// init makes an empty repository for ids with so many digits, which is to be the mirror.
func (m *mirror) init(ctx context.Context, lock *os.File, digits int) (dir string, err error) {
	format := "sha1"
	if digits == 64 {
		format = "sha256"
	}
	tmp := m.base + ".tmp"
	init := []string{"init", "--quiet", "--bare", "--template=", "--initial-branch=none", "--object-format=" + format, "--end-of-options", tmp}
	_, err = m.cache.git(ctx, command{args: init, lock: lock})
	return tmp, err
}

// replace puts a new mirror where the old one was, when that is not being read.
func (m *mirror) replace(ctx context.Context, tmp string) error {
	use, err := m.hold(ctx, ".use", true)
	if err != nil {
		return err
	}
	defer use.Close()
	if m.exists() {
		if err := os.Rename(m.dir(), m.base+".old"); err != nil {
			return err
		}
	}
	return errors.Join(os.Rename(tmp, m.dir()), os.RemoveAll(m.base+".old"))
}

// update fetches the server's current state into the mirror. The lock is held.
func (m *mirror) update(ctx context.Context, lock *os.File) (shallow bool, err error) {
	if err := m.tidy(); err != nil {
		return false, fmt.Errorf("tidy the mirror of %s: %w", redact(m.url), err)
	}
	if _, broken := m.idLength(); broken == nil {
		if shallow, err = m.fetch(ctx, m.dir(), lock, refspecs...); err == nil || ctx.Err() != nil {
			return shallow, err
		}
	}
	refs, listErr := m.list(ctx)
	if listErr != nil { // the server is to blame, or the network
		return false, listErr
	}
	if m.exists() && !m.formatChanged(refs) && m.whole(ctx) {
		return false, err
	}
	return m.create(ctx, lock, refs)
}

func (m *mirror) formatChanged(refs listing) bool {
	digits, err := m.idLength()
	for _, id := range refs {
		return err != nil || len(id) != digits
	}
	return err != nil
}

// whole reports whether everything that the mirror's refs lead to exists and can be
// read. This takes a while.
func (m *mirror) whole(ctx context.Context) bool {
	_, err := m.git(ctx, nil, "fsck", "--no-dangling", "--no-progress", "--no-reflogs", "--connectivity-only")
	return err == nil
}

// heal replaces the mirror if it turns out to be damaged, and reports whether it did.
func (m *mirror) heal(ctx context.Context) (bool, error) {
	lock, err := m.hold(ctx, ".lock", true)
	if err != nil {
		return false, err
	}
	defer lock.Close()
	return m.healLocked(ctx, lock, m.readable)
}

func (m *mirror) healLocked(ctx context.Context, lock *os.File, sound func(context.Context) bool) (bool, error) {
	if m.exists() && sound(ctx) || ctx.Err() != nil {
		return false, ctx.Err()
	}
	m.cache.event(Event{URL: redact(m.url), Note: "its copy in the cache is damaged and is fetched again"})
	if err := m.tidy(); err != nil {
		return false, err
	}
	refs, err := m.list(ctx)
	if err != nil {
		return false, err
	}
	_, err = m.create(ctx, lock, refs)
	return err == nil, err
}

// readable is whole, but reads every object too.
func (m *mirror) readable(ctx context.Context) bool {
	_, err := m.git(ctx, nil, "fsck", "--no-dangling", "--no-progress", "--no-reflogs", "--full")
	return err == nil
}

func (m *mirror) mark(id string) string { return filepath.Join(m.dir(), "carosbuild", id) }
