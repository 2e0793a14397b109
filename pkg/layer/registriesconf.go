// This Source Code Form is subject to the terms of the Mozilla Public
// License, v. 2.0. If a copy of the MPL was not distributed with this
// file, You can obtain one at https://mozilla.org/MPL/2.0/.

package layer

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/BurntSushi/toml"
)

// registriesConf is what of containers-registries.conf(5) matters here: where
// names without a registry are looked for, short names, other locations, and
// registries without TLS.
type registriesConf struct {
	Search   []string          `toml:"unqualified-search-registries"`
	Aliases  map[string]string `toml:"aliases"`
	Registry []registryConf    `toml:"registry"`
}

type registryConf struct {
	Prefix   string `toml:"prefix"`
	Location string `toml:"location"`
	Insecure bool   `toml:"insecure"`
	Blocked  bool   `toml:"blocked"`
}

// settings reads registries.conf of the user, or else of the system, and the
// files in the .d directory beside it. Without Env there are none.
func (r Registry) settings() (registriesConf, error) {
	conf := registriesConf{Aliases: map[string]string{}}
	if r.Env == nil {
		return conf, nil
	}
	files := []string{"/etc/containers/registries.conf"}
	if f := r.env("CONTAINERS_REGISTRIES_CONF"); f != "" {
		files = []string{f}
	} else {
		user := filepath.Join(configHome(r.env), "containers", "registries.conf")
		if _, err := os.Stat(user); err == nil {
			files = []string{user}
		}
		more, err := filepath.Glob("/etc/containers/registries.conf.d/*.conf")
		if err != nil {
			return conf, err
		}
		own, err := filepath.Glob(user + ".d/*.conf")
		if err != nil {
			return conf, err
		}
		files = append(append(files, more...), own...)
	}
	for _, f := range files {
		if err := conf.read(f); err != nil {
			return conf, fmt.Errorf("read registry settings: %s: %w", f, err)
		}
	}
	return conf, nil
}

func (c *registriesConf) read(file string) error {
	b, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	var one registriesConf
	if err := toml.Unmarshal(b, &one); err != nil {
		return err
	}
	if one.Search != nil {
		c.Search = one.Search
	}
	for k, v := range one.Aliases {
		c.Aliases[k] = v
	}
	c.Registry = append(c.Registry, one.Registry...)
	return nil
}

// candidates are the full names that a name may stand for, in the order in
// which they are tried.
func (c registriesConf) candidates(n string) []string {
	if hasRegistry(n) {
		return []string{c.relocate(n)}
	}
	repo, rest := n, ""
	if i := strings.IndexAny(n, ":@"); i >= 0 {
		repo, rest = n[:i], n[i:]
	}
	if full := c.Aliases[repo]; full != "" {
		return []string{c.relocate(full + rest)}
	}
	var out []string
	for _, s := range c.Search {
		out = append(out, c.relocate(s+"/"+n))
	}
	if len(out) == 0 {
		out = []string{c.relocate("docker.io/" + n)}
	}
	return out
}

// match is the index of the most specific entry for a reference, or -1.
func (c registriesConf) match(ref string) int {
	best, length := -1, -1
	for i, e := range c.Registry {
		p := e.Prefix
		if p == "" {
			p = e.Location
		}
		var fits bool
		if suffix, ok := strings.CutPrefix(p, "*."); ok {
			host, _, _ := strings.Cut(ref, "/")
			fits = strings.HasSuffix(host, "."+suffix)
		} else if rest, ok := strings.CutPrefix(ref, p); ok && p != "" {
			fits = rest == "" || strings.ContainsRune("/:@", rune(rest[0]))
		}
		if fits && len(p) > length {
			best, length = i, len(p)
		}
	}
	return best
}

func (c registriesConf) relocate(ref string) string {
	i := c.match(ref)
	if i < 0 || c.Registry[i].Location == "" || c.Registry[i].Prefix == "" || strings.HasPrefix(c.Registry[i].Prefix, "*.") {
		return ref
	}
	return c.Registry[i].Location + strings.TrimPrefix(ref, c.Registry[i].Prefix)
}

// insecure reports whether a reference or host is declared to need no TLS.
func (c registriesConf) insecure(ref string) bool {
	if i := c.match(ref); i >= 0 && c.Registry[i].Insecure {
		return true
	}
	host, _, _ := strings.Cut(ref, "/")
	return slices.ContainsFunc(c.Registry, func(e registryConf) bool { return e.Insecure && e.Location == host })
}

// blocked reports whether a reference may not be used.
func (c registriesConf) blocked(ref string) bool {
	i := c.match(ref)
	return i >= 0 && c.Registry[i].Blocked
}
