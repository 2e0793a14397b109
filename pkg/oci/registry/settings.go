// SPDX-License-Identifier: MPL-2.0

package registry

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	dockerref "go.podman.io/image/v5/docker/reference"
	"go.podman.io/image/v5/pkg/sysregistriesv2"
	"go.podman.io/image/v5/types"
	"go.podman.io/storage/pkg/configfile"

	"github.com/carosio/carosbuild/pkg/oci"
	"github.com/carosio/carosbuild/pkg/xdg"
)

// settings are containers-registries.conf(5), read by podman's own reader: from the
// files that it finds through the environment of this process.
type settings struct {
	sys  *types.SystemContext // nil: there are none
	uid  int
	home string // directory of the user's settings
	conf string // CONTAINERS_REGISTRIES_CONF
}

// settings reads them anew. Without Env there are none.
func (c Client) settings() (settings, error) {
	if c.Env == nil {
		return settings{}, nil
	}
	s := settings{
		sys: &types.SystemContext{AuthFilePath: c.getenv("REGISTRY_AUTH_FILE"), RootForImplicitAbsolutePaths: c.root},
		uid: c.UID, home: filepath.Join(xdg.ConfigHome(c.getenv), "containers"), conf: c.getenv("CONTAINERS_REGISTRIES_CONF"),
	}
	if _, err := sysregistriesv2.TryUpdatingCache(s.sys); err != nil {
		return settings{}, fmt.Errorf("read the settings of registries: %w", err)
	}
	return s, nil
}

// source is a place that may have an image.
type source struct {
	name     dockerref.Named // full name, as asked for
	at       dockerref.Named // name there: at a mirror or another location
	insecure bool
}

// mirrored reports whether the place differs from the one that the name denotes.
func (s source) mirrored() bool { return s.name.String() != s.at.String() }

// sources are the places of an image in the order in which they are tried.
func (s settings) sources(n string) ([]source, error) {
	names, err := s.fullNames(n)
	if err != nil {
		return nil, err
	}
	var out []source
	for _, n := range names {
		reg, err := s.find(n.Name())
		switch {
		case err != nil:
			return nil, err
		case reg == nil:
			out = append(out, source{name: n, at: n})
			continue
		case reg.Blocked:
			return nil, s.blocked(n, reg)
		}
		places, err := reg.PullSourcesFromReference(n)
		if err != nil {
			return nil, err
		}
		for _, p := range places {
			out = append(out, source{n, p.Reference, p.Endpoint.Insecure})
		}
	}
	return out, nil
}

// target is the place that an image is pushed to. Mirrors and other locations do
// not count for this.
func (s settings) target(n string) (source, error) {
	named, err := dockerref.ParseNormalizedNamed(n)
	if err != nil {
		return source{}, fmt.Errorf("%q is not an image reference: %w", n, err)
	}
	reg, err := s.find(named.Name())
	if err != nil || reg == nil {
		return source{name: named, at: named}, err
	}
	if reg.Blocked {
		return source{}, s.blocked(named, reg)
	}
	return source{named, named, reg.Insecure}, nil
}

func (s settings) find(n string) (*sysregistriesv2.Registry, error) {
	if s.sys == nil {
		return nil, nil
	}
	return sysregistriesv2.FindRegistry(s.sys, n)
}

func (s settings) blocked(n dockerref.Named, reg *sysregistriesv2.Registry) error {
	return &AccessError{
		What:   fmt.Sprintf("%s is blocked by the settings of registries", n),
		Remedy: "remove \"blocked = true\" from " + s.entry(reg.Prefix, reg.Location),
	}
}

// fullNames are what a name may stand for: itself if it has a registry; its alias;
// or the name in each of the registries that are searched.
func (s settings) fullNames(n string) ([]dockerref.Named, error) {
	full := func(n string) (dockerref.Named, error) {
		named, err := dockerref.ParseNormalizedNamed(n)
		if err != nil {
			return nil, fmt.Errorf("%q is not an image reference: %w", n, err)
		}
		return dockerref.TagNameOnly(named), nil
	}
	if oci.HasRegistry(n) || s.sys == nil {
		named, err := full(n)
		return []dockerref.Named{named}, err
	}
	repo, rest := n, ""
	if i := strings.IndexAny(n, ":@"); i >= 0 {
		repo, rest = n[:i], n[i:]
	}
	alias, _, err := sysregistriesv2.ResolveShortNameAlias(s.sys, repo)
	if err != nil {
		return nil, err
	}
	if alias != nil {
		named, err := full(alias.Name() + rest)
		return []dockerref.Named{named}, err
	}
	search, err := s.search(n)
	if err != nil {
		return nil, err
	}
	var out []dockerref.Named
	for _, host := range search {
		named, err := full(host + "/" + n)
		if err != nil {
			return nil, err
		}
		out = append(out, named)
	}
	return out, nil
}

// search are the registries that are searched for a name without a registry:
// Docker's if nothing is configured.
func (s settings) search(n string) ([]string, error) {
	search, origin, err := sysregistriesv2.UnqualifiedSearchRegistriesWithOrigin(s.sys)
	if err != nil {
		return nil, err
	}
	mode, err := sysregistriesv2.GetShortNameMode(s.sys)
	switch {
	case err != nil:
		return nil, err
	case search == nil:
		return []string{"docker.io"}, nil
	case len(search) == 0:
		return nil, &AccessError{
			What:   fmt.Sprintf("%s names no registry, and %s lists none to search", n, origin),
			Remedy: "name it in full, such as docker.io/library/" + n,
		}
	case mode == types.ShortNameModeEnforcing && len(search) > 1:
		return nil, &AccessError{
			What:   fmt.Sprintf("%s names no registry, and %s forbids to search several (short-name-mode)", n, origin),
			Remedy: fmt.Sprintf("name it in full, such as %s/%s", search[0], n),
		}
	}
	return search, nil
}

// insecureHost reports whether a host is declared to need no TLS for all its
// repositories.
func (s settings) insecureHost(host string) bool {
	if s.sys == nil {
		return false
	}
	all, err := sysregistriesv2.GetRegistries(s.sys)
	return err == nil && slices.ContainsFunc(all, func(r sysregistriesv2.Registry) bool {
		of := func(e sysregistriesv2.Endpoint) bool { return e.Insecure && e.Location == host }
		return of(r.Endpoint) || r.Insecure && r.Prefix == host || slices.ContainsFunc(r.Mirrors, of)
	})
}

// files are the existing settings files; the last one has the highest precedence.
func (s settings) files() []string {
	if s.sys == nil {
		return nil
	}
	paths, err := configfile.GetSearchPaths(&configfile.File{
		Name: "registries", Extension: "conf", EnvironmentName: "CONTAINERS_REGISTRIES_CONF",
		RootForImplicitAbsolutePaths: s.sys.RootForImplicitAbsolutePaths, UserId: s.uid,
	})
	if err != nil {
		return nil
	}
	var out []string
	for _, f := range paths.MainFiles {
		if _, err := os.Stat(f); err == nil {
			out = append(out, f)
			break
		}
	}
	for _, d := range slices.Backward(paths.DropInDirectories) {
		more, _ := filepath.Glob(filepath.Join(d, "*.conf")) // the pattern is valid
		out = append(out, more...)
	}
	if paths.ExtraOverrideFile != "" {
		out = append(out, paths.ExtraOverrideFile)
	}
	return out
}

// entry is the file and line of the entry for one of several prefixes or locations,
// or "".
func (s settings) entry(names ...string) string {
	for _, f := range slices.Backward(s.files()) {
		data, err := os.ReadFile(f)
		if err != nil {
			continue
		}
		for i, line := range strings.Split(string(data), "\n") {
			key, value, _ := strings.Cut(line, "=")
			key = strings.TrimSpace(key)
			value = strings.Trim(strings.TrimSpace(value), `"'`)
			if (key == "location" || key == "prefix") && value != "" && slices.ContainsFunc(names, func(n string) bool { return n == strings.TrimRight(value, "/") }) {
				return f + ":" + strconv.Itoa(i+1)
			}
		}
	}
	return ""
}

// ownFile is the file in which the user would add an entry.
func (s settings) ownFile(host string) string {
	if s.conf != "" {
		return s.conf
	}
	return filepath.Join(s.configDir(), "registries.conf.d", strings.ReplaceAll(host, ":", "-")+".conf")
}

func (s settings) configDir() string {
	if s.uid == 0 || s.home == "" {
		return "/etc/containers"
	}
	return s.home
}
