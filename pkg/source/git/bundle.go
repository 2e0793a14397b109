// SPDX-License-Identifier: MPL-2.0

package git

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// A bundle is a file of git's with objects and with refs that lead to them. Nothing in it
// is a setting or a program, and the ids of its objects are computed when it is read: so it
// may come from anywhere. It has the commits that are asked for as refs/keep/ID, as a
// mirror has those to which no branch leads, and the tags in their histories.

// bundleName is the name of an address's bundle.
func bundleName(address string) string { return mirrorName(address) + ".bundle" }

// isHere reports whether an address is a directory of this machine.
func isHere(address string) bool {
	return filepath.IsAbs(address) || strings.HasPrefix(strings.ToLower(address), "file://")
}

// Lacking are those of the commits that cannot be had without asking a server: neither a
// mirror nor Bundles has them, and the address is not one of this machine.
func (c *Cache) Lacking(ctx context.Context, pins []Pinned) ([]Pinned, error) {
	var lacking []Pinned
	for _, p := range pins {
		m, err := c.mirror(p.URL)
		if err != nil {
			return nil, err
		}
		missing, err := m.missing(ctx, []string{p.Commit})
		if err != nil {
			return nil, err
		}
		if len(missing) == 0 || c.bundled(m, p.Commit) || isHere(m.url) && existsHere(m.url) {
			continue
		}
		p.URL = redact(p.URL)
		lacking = append(lacking, p)
	}
	return lacking, nil
}

func existsHere(address string) bool {
	dir := strings.TrimPrefix(address, "file://")
	return slices.ContainsFunc([]string{dir, dir + ".git"}, func(name string) bool {
		_, err := os.Stat(name)
		return err == nil
	})
}

// bundled reports whether there is a bundle that says it has a commit.
func (c *Cache) bundled(m *mirror, commit string) bool {
	if c.Bundles == "" {
		return false
	}
	file, err := os.Open(filepath.Join(c.Bundles, bundleName(m.url)))
	if err != nil {
		return false
	}
	defer file.Close()
	head := make([]byte, 1<<20) // refs are at the beginning
	n, _ := file.Read(head)
	return isBundle(head[:n]) && strings.Contains(string(head[:n]), " refs/keep/"+commit+"\n")
}

// isBundle reports whether a file begins as a bundle does. What does not, git may take for
// something else: a file that begins with "gitdir:" leads to any repository.
func isBundle(head []byte) bool {
	return bytes.HasPrefix(head, []byte("# v2 git bundle\n")) || bytes.HasPrefix(head, []byte("# v3 git bundle\n"))
}

// checkBundle refuses what git would not take for a bundle.
func checkBundle(name string) error {
	st, err := os.Lstat(name)
	if err != nil {
		return err
	}
	if !st.Mode().IsRegular() { // git would take a directory for a repository
		return errors.New("it is not a regular file")
	}
	file, err := os.Open(name)
	if err != nil {
		return err
	}
	defer file.Close()
	head := make([]byte, 16)
	if _, err := io.ReadFull(file, head); err != nil || !isBundle(head) {
		return errors.New("it is not a bundle")
	}
	return nil
}

// Bundle brings commits of one address into its mirror and writes them, with the tags in
// their histories, into a file of a directory, which is to be Bundles of another Cache. It
// returns the name of the file.
func (c *Cache) Bundle(ctx context.Context, url string, commits []string, dir string) (string, error) {
	m, err := c.mirror(url)
	if err != nil {
		return "", err
	}
	if err := m.ensure(ctx, commits); err != nil {
		return "", err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	name := bundleName(m.url)
	if err := m.bundle(ctx, commits, filepath.Join(dir, name)); err != nil {
		return "", fmt.Errorf("bundle %s: %w", redact(m.url), err)
	}
	return name, nil
}

func (m *mirror) bundle(ctx context.Context, commits []string, file string) error {
	lock, err := m.hold(ctx, ".lock", true)
	if err != nil {
		return err
	}
	defer lock.Close()
	var refs []string
	for _, id := range commits {
		keep := "refs/keep/" + id
		if _, err := m.git(ctx, lock, "update-ref", keep, id); err != nil {
			return err
		}
		tags, err := m.tagsIn(ctx, id)
		if err != nil {
			return err
		}
		refs = append(refs, keep)
		for _, t := range tags {
			refs = append(refs, t.name)
		}
	}
	slices.Sort(refs)
	out, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o644)
	if err != nil {
		return err
	}
	_, err = m.cache.git(ctx, command{
		args: []string{"bundle", "create", "--quiet", "-", "--stdin"}, env: []string{"GIT_DIR=" + m.dir()}, lock: lock, out: out,
		stdin: strings.NewReader(strings.Join(slices.Compact(refs), "\n") + "\n"), config: [][2]string{{"pack.threads", "1"}},
	})
	return errors.Join(err, out.Close())
}

// unbundle takes what is missing from a bundle, where there is one, and returns what is
// missing then. The lock is held.
func (m *mirror) unbundle(ctx context.Context, lock *os.File, missing []string) ([]string, error) {
	if m.cache.Bundles == "" {
		return missing, nil
	}
	file := filepath.Join(m.cache.Bundles, bundleName(m.url))
	err := checkBundle(file)
	if errors.Is(err, fs.ErrNotExist) {
		return missing, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", file, err)
	}
	if err := m.tidy(); err != nil {
		return nil, err
	}
	if _, broken := m.idLength(); broken == nil {
		err = m.fetchBundle(ctx, m.dir(), lock, file)
	} else {
		err = m.createFrom(ctx, lock, file, len(missing[0]))
	}
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", file, err)
	}
	return m.missing(ctx, missing)
}

// createFrom makes the mirror of a bundle whose ids have so many digits.
func (m *mirror) createFrom(ctx context.Context, lock *os.File, file string, digits int) error {
	tmp, err := m.init(ctx, lock, digits)
	if err != nil {
		return err
	}
	if err := m.fetchBundle(ctx, tmp, lock, file); err != nil {
		return errors.Join(err, os.RemoveAll(tmp))
	}
	return m.replace(ctx, tmp)
}

func (m *mirror) fetchBundle(ctx context.Context, gitDir string, lock *os.File, file string) error {
	_, err := m.cache.git(ctx, command{
		args: []string{"fetch", "--quiet", "--no-tags", "--force", "--no-write-fetch-head", "--no-auto-gc", "--no-recurse-submodules", "--end-of-options", "upstream", "+refs/keep/*:refs/keep/*", "+refs/tags/*:refs/tags/*"},
		env:  []string{"GIT_DIR=" + gitDir}, lock: lock, config: [][2]string{{"remote.upstream.url", file}},
	})
	return err
}
