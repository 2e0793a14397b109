// SPDX-License-Identifier: MPL-2.0

package git

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// LogEntry is one commit of a history.
type LogEntry struct {
	Commit  string
	Time    time.Time // of the author
	Subject string    // valid UTF-8, no control characters
}

// Log returns the commits that are in the history of to and not in that of from,
// newest first. Both are full ids, and in the mirror (Ensure).
func (c *Cache) Log(ctx context.Context, url, from, to string) ([]LogEntry, error) {
	if !isID(from) || !isID(to) {
		return nil, fmt.Errorf("%q and %q: not commit ids", from, to)
	}
	out, err := c.local(ctx, url, []string{from, to}, "log", "-z", "--no-show-signature", "--no-color", "--no-mailmap", "--format=%H %at %s", "--end-of-options", to, "^"+from)
	if err != nil {
		return nil, fmt.Errorf("log of %s from %s to %s: %w", redact(url), from, to, err)
	}
	var log []LogEntry
	for item := range strings.SplitSeq(strings.TrimSuffix(string(out), "\x00"), "\x00") {
		id, rest, ok := strings.Cut(item, " ")
		at, subject, _ := strings.Cut(rest, " ")
		if !ok {
			continue
		}
		n, _ := strconv.ParseInt(at, 10, 64)
		log = append(log, LogEntry{id, time.Unix(n, 0).UTC(), printable(strings.ToValidUTF8(subject, "\uFFFD"))})
	}
	return log, nil
}

// Files returns the paths of a commit's files, slash-separated, in git's order; a
// submodule is listed as its directory. The commit must be in the mirror (Ensure).
func (c *Cache) Files(ctx context.Context, p Pinned) ([]string, error) {
	if !isID(p.Commit) {
		return nil, fmt.Errorf("%q is not a commit id", p.Commit)
	}
	out, err := c.local(ctx, p.URL, []string{p.Commit}, "ls-tree", "-r", "-z", "--name-only", "--full-tree", p.Commit)
	if err != nil {
		return nil, fmt.Errorf("list %s of %s: %w", p.Commit, redact(p.URL), err)
	}
	if len(out) == 0 {
		return nil, nil
	}
	return strings.Split(strings.TrimSuffix(string(out), "\x00"), "\x00"), nil
}

// local runs a command in the mirror of an address, which does not change
// meanwhile. A damaged mirror is fetched again, with the commits.
func (c *Cache) local(ctx context.Context, url string, ids []string, args ...string) ([]byte, error) {
	m, err := c.mirror(url)
	if err != nil {
		return nil, err
	}
	out, err := m.read(ctx, args...)
	if err == nil || !isDamage(err) || ctx.Err() != nil {
		return out, err
	}
	healed, healErr := m.heal(ctx)
	if !healed {
		return nil, errors.Join(err, healErr)
	}
	if err := m.ensure(ctx, ids); err != nil {
		return nil, err
	}
	return m.read(ctx, args...)
}

func (m *mirror) read(ctx context.Context, args ...string) ([]byte, error) {
	use, err := m.hold(ctx, ".use", false)
	if err != nil {
		return nil, err
	}
	defer use.Close()
	return m.git(ctx, nil, args...)
}
