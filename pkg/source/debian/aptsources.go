// SPDX-License-Identifier: MPL-2.0

package debian

import (
	"fmt"
	"net/url"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/carosio/carosbuild/pkg/debfile"
	"github.com/carosio/carosbuild/pkg/lazyregexp"
)

// sourceEntry is one suite of one apt source.
type sourceEntry struct {
	URI, Suite string
	Components []string
	SignedBy   string // a path, an embedded key, a fingerprint, or ""
}

// readSources reads sources.list and sources.list.d in apt's order.
func readSources(root string) ([]sourceEntry, error) {
	names, err := partsOf(filepath.Join(root, "etc/apt/sources.list.d"), ".list", ".sources")
	if err != nil {
		return nil, err
	}
	var all []sourceEntry
	for _, name := range append([]string{filepath.Join(root, "etc/apt/sources.list")}, names...) {
		text, err := readIfThere(name)
		if err != nil {
			return nil, err
		}
		parse := parseOneLine
		if path.Ext(name) == ".sources" {
			parse = parseDeb822
		}
		entries, err := parse(text)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		all = append(all, entries...)
	}
	return all, nil
}

// parseOneLine reads the sources.list format: TYPE [OPTIONS] URI SUITE COMPONENT...
func parseOneLine(text string) ([]sourceEntry, error) {
	var out []sourceEntry
	for n, line := range strings.Split(text, "\n") {
		line, _, _ = strings.Cut(line, "#")
		line = strings.TrimSpace(line)
		kind, rest, _ := strings.Cut(strings.ReplaceAll(line, "\t", " "), " ")
		if kind != "deb" {
			continue
		}
		rest = strings.TrimSpace(rest)
		var e sourceEntry
		if strings.HasPrefix(rest, "[") {
			options, after, ok := strings.Cut(rest[1:], "]")
			if !ok {
				return nil, fmt.Errorf("line %d: [ without ]", n+1)
			}
			for _, o := range strings.Fields(options) {
				if v, ok := strings.CutPrefix(o, "signed-by="); ok {
					e.SignedBy = v
				}
			}
			rest = after
		}
		fields := strings.Fields(rest)
		if len(fields) < 2 {
			return nil, fmt.Errorf("line %d: want deb URI SUITE COMPONENT", n+1)
		}
		e.URI, e.Suite, e.Components = fields[0], fields[1], fields[2:]
		out = append(out, e)
	}
	return out, nil
}

// parseDeb822 reads the .sources format of sources.list(5).
func parseDeb822(text string) ([]sourceEntry, error) {
	stanzas, err := debfile.ParseStanzas(text)
	if err != nil {
		return nil, err
	}
	var out []sourceEntry
	for _, s := range stanzas {
		if isFalse(s.Get("Enabled")) || !slices.Contains(strings.Fields(s.Get("Types")), "deb") {
			continue
		}
		for _, uri := range strings.Fields(s.Get("URIs")) {
			for _, suite := range strings.Fields(s.Get("Suites")) {
				out = append(out, sourceEntry{
					URI: uri, Suite: suite,
					Components: strings.Fields(s.Get("Components")),
					SignedBy:   strings.TrimSpace(s.Get("Signed-By")),
				})
			}
		}
	}
	return out, nil
}

var snapshotPathRE = lazyregexp.New(`/[0-9]{8}(T[0-9]{6}Z)?$`)

// isOf reports whether e is the own archive of distribution d: the suite is one of
// its names, main is one of the components, and either its keyring signs it or the
// address ends like that of its mirrors. Other projects use the same suite names.
func (e sourceEntry) isOf(d distribution) bool {
	address, _ := splitLogin(e.URI)
	u, err := url.Parse(address)
	if err != nil || checkMirror(address) != nil {
		return false
	}
	if base, _ := splitSuite(e.Suite); !slices.Contains(d.suites, base) || !slices.Contains(e.Components, "main") {
		return false
	}
	if strings.HasPrefix(path.Base(e.SignedBy), d.name+"-archive-") {
		return true
	}
	p := snapshotPathRE().ReplaceAllString(strings.TrimRight(u.Path, "/"), "")
	dirs := d.dirs
	if e.isSecurity() {
		dirs = d.securityDirs
	}
	own := e.SignedBy == "" || e.isSecurity() && d.name == debian // its security archives have another name
	return own && slices.Contains(dirs, path.Base(p))
}

func (e sourceEntry) isSecurity() bool {
	return strings.HasSuffix(e.Suite, "-security") || strings.HasSuffix(e.Suite, "/updates")
}
