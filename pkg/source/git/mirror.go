// SPDX-License-Identifier: MPL-2.0

package git

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/carosio/carosbuild/pkg/download"
)

// mirror is the copy of one address in the cache. It may not exist yet.
type mirror struct {
	cache  *Cache
	url    string // without user if it is a web address
	secret *url.Userinfo
	base   string // path of its files, without extension
}

func (c *Cache) mirror(raw string) (*mirror, error) {
	address, secret, err := c.known(raw)
	if err != nil {
		return nil, err
	}
	dir, err := filepath.Abs(c.Dir)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the cache of git trees: %w", err)
	}
	return &mirror{cache: c, url: address, secret: secret, base: filepath.Join(dir, mirrorName(address))}, nil
}

func (m *mirror) dir() string { return m.base + ".git" }

// exists reports whether there is a mirror; it gets its name when it is complete.
func (m *mirror) exists() bool {
	_, err := os.Lstat(m.dir())
	return err == nil
}

// git runs a command in the mirror, without a server.
func (m *mirror) git(ctx context.Context, lock *os.File, args ...string) ([]byte, error) {
	return m.cache.git(ctx, command{args: args, env: []string{"GIT_DIR=" + m.dir()}, lock: lock})
}

// ask runs a command that talks to the server. For git, the server is the remote
// "upstream", so no address is among the arguments.
func (m *mirror) ask(ctx context.Context, gitDir string, lock *os.File, heard *string, args ...string) ([]byte, error) {
	if m.cache.Closed && !isHere(m.url) {
		return nil, &NetworkError{URL: redact(m.url), Text: download.NotAsked}
	}
	cmd := command{args: args, env: []string{"GIT_DIR=" + gitDir}, lock: lock, remote: m.url, heard: heard}
	cmd.config = [][2]string{{"remote.upstream.url", m.url}}
	if m.secret != nil {
		m.addSecret(&cmd)
	}
	return m.cache.git(ctx, cmd)
}

// addSecret hands user and password to git in a credential helper for this address,
// so that they are in no argument and are sent to no other host.
func (m *mirror) addSecret(cmd *command) {
	u, err := url.Parse(m.url)
	if err != nil {
		return // has been parsed before
	}
	at := "credential." + u.Scheme + "://" + u.Host
	password, ok := m.secret.Password()
	if !ok {
		cmd.config = append(cmd.config, [2]string{at + ".username", m.secret.Username()})
		return
	}
	cmd.config = append(cmd.config, [2]string{at + ".helper", `!f() { test "$1" = get && printf 'username=%s\npassword=%s\n' "$CAROSBUILD_GIT_USER" "$CAROSBUILD_GIT_PASSWORD"; }; f`})
	cmd.env = append(cmd.env, "CAROSBUILD_GIT_USER="+m.secret.Username(), "CAROSBUILD_GIT_PASSWORD="+password)
}

// idLength is the length of the mirror's object ids, in digits.
func (m *mirror) idLength() (int, error) {
	config, err := os.ReadFile(filepath.Join(m.dir(), "config"))
	if err != nil {
		return 0, err
	}
	if bytes.Contains(bytes.ToLower(config), []byte("objectformat = sha256")) {
		return 64, nil
	}
	return 40, nil
}

// types returns the type of each object in the mirror: "commit", "tag", "tree",
// "blob", or "" if the mirror has no such object. The ids must be full ids, of this
// mirror's length.
func (m *mirror) types(ctx context.Context, ids []string) (map[string]string, error) {
	out, err := m.cache.git(ctx, command{
		args: []string{"cat-file", "--batch-check=%(objectname) %(objecttype)"},
		env:  []string{"GIT_DIR=" + m.dir()}, stdin: strings.NewReader(strings.Join(ids, "\n") + "\n"),
	})
	if err != nil {
		return nil, err
	}
	types := map[string]string{}
	for line := range strings.Lines(string(out)) {
		if id, kind, ok := strings.Cut(strings.TrimSpace(line), " "); ok && kind != "missing" {
			types[id] = kind
		}
	}
	return types, nil
}

// tidy removes files of a process that died while it held the lock. Every change of
// a mirror holds the lock, so these files are not in use. No ref's name ends in
// .lock.
func (m *mirror) tidy() error {
	err := errors.Join(os.RemoveAll(m.base+".tmp"), os.RemoveAll(m.base+".old"))
	objects := filepath.Join(m.dir(), "objects") + "/"
	return errors.Join(err, filepath.WalkDir(m.dir(), func(path string, d fs.DirEntry, err error) error {
		name := filepath.Base(path)
		made := strings.HasPrefix(path, objects) && (strings.HasPrefix(name, "tmp_") || strings.HasSuffix(name, ".keep"))
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return nil
		case err != nil:
			return err
		case made && d.IsDir():
			return errors.Join(os.RemoveAll(path), fs.SkipDir)
		case made || !d.IsDir() && strings.HasSuffix(name, ".lock"):
			return os.Remove(path)
		}
		return nil
	}))
}
