// SPDX-License-Identifier: MPL-2.0

package git

import (
	"context"
	"fmt"
	"strings"
)

// Resolve finds the commit that a revision stands for. A full commit id is that
// commit, whatever the names of refs are, and needs no network once the mirror has
// it. Otherwise the server is asked for the ref of that full name, the tag, the
// branch, in this order; for a branch, its answer is used without fetching. Last, 7
// or more hex digits are an abbreviated commit id if only one in the mirror begins
// with them.
func (c *Cache) Resolve(ctx context.Context, t Tree) (Pinned, error) {
	pins, err := c.ResolveAll(ctx, []Tree{t})
	if err != nil {
		return Pinned{}, err
	}
	return pins[0], nil
}

// ResolveAll resolves many trees, with one request for each address. The results
// are in the order of the trees. All errors are reported, joined.
func (c *Cache) ResolveAll(ctx context.Context, trees []Tree) ([]Pinned, error) {
	pins := make([]Pinned, len(trees))
	byURL, order := map[string][]*Pinned{}, []string{}
	for i, t := range trees {
		if err := CheckRevision(t.Revision); err != nil {
			return nil, fmt.Errorf("%s: %w", redact(t.URL), err)
		}
		if byURL[t.URL] == nil {
			order = append(order, t.URL)
		}
		pins[i].Revision = t.Revision
		byURL[t.URL] = append(byURL[t.URL], &pins[i])
	}
	err := c.each(ctx, order, func(ctx context.Context, m *mirror, url string) error {
		for _, p := range byURL[url] {
			p.URL = m.url
		}
		return m.resolve(ctx, byURL[url])
	})
	if err != nil {
		return nil, err
	}
	return pins, nil
}

func (m *mirror) resolve(ctx context.Context, pins []*Pinned) error {
	var ids []string     // those that have to be in the mirror
	var shorts []*Pinned // abbreviated ids
	var refs listing
	for _, p := range pins {
		if looksLikeID(p.Revision) {
			p.Commit = strings.ToLower(p.Revision)
			ids = append(ids, p.Commit)
			continue
		}
		if refs == nil {
			var err error
			if refs, err = m.list(ctx); err != nil {
				return err
			}
		}
		switch {
		case m.find(refs, p):
			if strings.HasPrefix(p.Ref, "refs/tags/") { // may be of any type
				ids = append(ids, p.Commit)
			}
		case looksShort(p.Revision):
			shorts = append(shorts, p)
		default:
			return &NotFoundError{redact(m.url), p.Revision, "no branch or tag has this name"}
		}
	}
	if len(ids) > 0 {
		if err := m.ensure(ctx, ids); err != nil {
			return err
		}
	}
	for _, p := range shorts {
		if err := m.resolveShort(ctx, p); err != nil {
			return err
		}
	}
	return nil
}

// find looks a revision up among the server's refs.
func (m *mirror) find(refs listing, p *Pinned) bool {
	names := []string{p.Revision}
	if p.Revision != "HEAD" && !strings.HasPrefix(p.Revision, "refs/") {
		names = []string{"refs/tags/" + p.Revision, "refs/heads/" + p.Revision}
		if refs[names[0]] != "" && refs[names[1]] != "" {
			m.cache.event(Event{URL: redact(m.url), Note: fmt.Sprintf("%s is a tag and a branch: the tag is taken; refs/heads/%[1]s is the branch", p.Revision)})
		}
	}
	for _, name := range names {
		id := refs[name]
		if id == "" {
			continue
		}
		if commit := refs[name+"^{}"]; commit != "" {
			id = commit
		}
		p.Commit, p.Ref, p.Moving = id, name, !strings.HasPrefix(name, "refs/tags/")
		return true
	}
	return false
}

// resolveShort finds the one commit whose id begins with the digits, in the mirror
// as it is or after an update.
func (m *mirror) resolveShort(ctx context.Context, p *Pinned) error {
	found, err := m.beginning(ctx, p.Revision)
	if err != nil || len(found) == 0 {
		lock, err := m.hold(ctx, ".lock", true)
		if err != nil {
			return err
		}
		defer lock.Close()
		if _, err := m.update(ctx, lock); err != nil {
			return err
		}
		if found, err = m.beginning(ctx, p.Revision); err != nil {
			return err
		}
	}
	switch len(found) {
	case 0:
		return &NotFoundError{redact(m.url), p.Revision, "no branch or tag has this name, and no commit an id that begins so"}
	case 1:
		p.Commit = found[0]
		return nil
	}
	return &NotFoundError{redact(m.url), p.Revision, fmt.Sprintf("%d commits have ids that begin so: write all 40 digits", len(found))}
}

// beginning returns the ids of commits that begin with the digits. Refs do not
// matter.
func (m *mirror) beginning(ctx context.Context, prefix string) ([]string, error) {
	if !m.exists() {
		return nil, nil
	}
	use, err := m.hold(ctx, ".use", false)
	if err != nil {
		return nil, err
	}
	defer use.Close()
	out, err := m.git(ctx, nil, "rev-parse", "--disambiguate="+strings.ToLower(prefix))
	if err != nil {
		return nil, err
	}
	ids := strings.Fields(string(out))
	if len(ids) == 0 {
		return nil, nil
	}
	types, err := m.types(ctx, ids)
	var commits []string
	for _, id := range ids {
		if types[id] == "commit" {
			commits = append(commits, id)
		}
	}
	return commits, err
}
