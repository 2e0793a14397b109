// SPDX-License-Identifier: MPL-2.0

package git

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"golang.org/x/sync/errgroup"
)

// Ensure fetches the commits into their mirrors, and uses the network only for
// mirrors that lack one. All errors are reported, joined.
func (c *Cache) Ensure(ctx context.Context, pins []Pinned) error {
	byURL, order := map[string][]string{}, []string{}
	for _, p := range pins {
		if !isID(p.Commit) {
			return fmt.Errorf("%s: %q is not a commit id", redact(p.URL), p.Commit)
		}
		if byURL[p.URL] == nil {
			order = append(order, p.URL)
		}
		byURL[p.URL] = append(byURL[p.URL], p.Commit)
	}
	return c.each(ctx, order, func(ctx context.Context, m *mirror, url string) error {
		return m.ensure(ctx, byURL[url])
	})
}

// each handles several mirrors in parallel. An error for one does not stop the
// others, so that all errors are known at once.
func (c *Cache) each(ctx context.Context, urls []string, work func(context.Context, *mirror, string) error) error {
	errs := make([]error, len(urls))
	var g errgroup.Group
	g.SetLimit(c.jobs())
	for i, url := range urls {
		g.Go(func() error {
			m, err := c.mirror(url)
			if err == nil {
				err = work(ctx, m, url)
			}
			errs[i] = err
			return nil
		})
	}
	_ = g.Wait() // each stores its error in errs
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return errors.Join(errs...)
}

// ensure fetches commits into the mirror.
func (m *mirror) ensure(ctx context.Context, ids []string) error {
	if missing, err := m.missing(ctx, ids); err != nil || len(missing) == 0 {
		return err
	}
	lock, err := m.hold(ctx, ".lock", true)
	if err != nil {
		return err
	}
	defer lock.Close()
	missing, err := m.missing(ctx, ids) // another process may have fetched them
	if err != nil || len(missing) == 0 {
		return err
	}
	if missing, err = m.unbundle(ctx, lock, missing); err != nil || len(missing) == 0 {
		return err
	}
	err = m.fetchAll(ctx, lock, ids)
	if err == nil && m.cache.Fetched != nil && !isHere(m.url) {
		for _, id := range missing {
			m.cache.Fetched(redact(m.url), id)
		}
	}
	return err
}

// fetchAll asks the server for all that it has, and for ids.
func (m *mirror) fetchAll(ctx context.Context, lock *os.File, ids []string) error {
	shallow, err := m.update(ctx, lock)
	if err != nil {
		return err
	}
	if err = m.fetchIDs(ctx, lock, ids, shallow); err == nil || ctx.Err() != nil {
		return err
	}
	healed, healErr := m.healLocked(ctx, lock, m.whole)
	if !healed {
		return errors.Join(err, healErr)
	}
	return m.fetchIDs(ctx, lock, ids, shallow)
}

// fetchIDs fetches the commits that the mirror lacks even after an update.
func (m *mirror) fetchIDs(ctx context.Context, lock *os.File, ids []string, shallow bool) error {
	missing, err := m.missing(ctx, ids)
	for _, id := range missing {
		if err == nil {
			err = m.fetchID(ctx, lock, id, shallow)
		}
	}
	return err
}

// fetchID asks the server for a commit that is not in the history of any of its
// branches and tags.
func (m *mirror) fetchID(ctx context.Context, lock *os.File, id string, shallow bool) error {
	why := "no branch or tag leads to it, and the server does not give it by its id"
	if shallow {
		why = "the server's copy is shallow, its history is incomplete"
	}
	if digits, err := m.idLength(); err != nil {
		return err
	} else if digits != len(id) {
		return &NotFoundError{redact(m.url), id, fmt.Sprintf("ids of this repository have %d digits", digits)}
	}
	_, err := m.fetch(ctx, m.dir(), lock, "+"+id+":refs/keep/"+id)
	if ctx.Err() != nil {
		return err
	}
	if missing, e := m.missing(ctx, []string{id}); e != nil {
		return e
	} else if err == nil && len(missing) == 0 {
		return nil
	}
	if err != nil {
		why += " (" + err.Error() + ")"
	}
	return &NotFoundError{redact(m.url), id, why}
}

// missing are those ids for which the mirror does not have a commit with its whole
// history. An id of an object that is not a commit is an error. It does not use the
// network.
func (m *mirror) missing(ctx context.Context, ids []string) ([]string, error) {
	if !m.exists() {
		return ids, nil
	}
	use, err := m.hold(ctx, ".use", false)
	if err != nil {
		return nil, err
	}
	defer use.Close()
	digits, err := m.idLength()
	if err != nil {
		return ids, nil // a damaged mirror counts as empty
	}
	ask := slices.DeleteFunc(slices.Clone(ids), func(id string) bool { return len(id) != digits })
	types, err := m.types(ctx, ask)
	if err != nil {
		return ids, ctx.Err()
	}
	var missing []string
	for _, id := range ids {
		switch kind := types[id]; {
		case kind != "" && kind != "commit":
			return nil, &NotFoundError{redact(m.url), id, "it is a " + kind + ", not a commit"}
		case kind == "" || !m.complete(ctx, id):
			missing = append(missing, id)
		}
	}
	return missing, ctx.Err()
}

// complete reports whether a commit's history and files are present: a server that
// lies may send an object without the objects that it refers to. This is checked
// once, and the result is noted.
func (m *mirror) complete(ctx context.Context, id string) bool {
	if _, err := os.Lstat(m.mark(id)); err == nil {
		return true
	}
	if _, err := m.git(ctx, nil, "rev-list", "--objects", "--quiet", id, "--not", "--all"); err != nil {
		return false
	}
	// Without the note it is checked again.
	if os.MkdirAll(filepath.Dir(m.mark(id)), 0o700) == nil {
		_ = os.WriteFile(m.mark(id), nil, 0o600)
	}
	return true
}
