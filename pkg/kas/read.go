// SPDX-License-Identifier: MPL-2.0

package kas

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/carosio/carosbuild/pkg/confine"
	"github.com/carosio/carosbuild/pkg/decl"
	"github.com/carosio/carosbuild/pkg/decl/finding"
)

// Bounds of a project.
const (
	maxFiles    = 256 // a file counts each time it is included
	maxIncludes = 32  // nesting depth
	maxRounds   = 32  // rounds: files name repositories, whose files name further ones
	maxRepos    = 500
)

// Options say where things are.
type Options struct {
	// WorkDir is the absolute directory into which kas would check out
	// repositories, and against which relative paths of repositories are resolved.
	WorkDir string
	// NoLock ignores lock files, as kas does to update them.
	NoLock bool
	// Open returns the files of a repository that has an address, at its revision.
	// Nil: none are available.
	Open func(Repo) (fs.FS, error)
	// Within are the folders whose files and directories a project may name, besides
	// those that Read always allows.
	Within *confine.Roots
	// Getenv is the environment that KAS_MACHINE, KAS_DISTRO, KAS_TARGET and
	// KAS_TASK are taken from; nil: none.
	Getenv func(string) string
}

// reader reads the files of a project.
type reader struct {
	Options
	rep     *report
	sources []decl.Source
	parsed  map[string]*config
	trees   map[string]*tree // repositories that files are included from, by key
	roots   []*os.Root       // directories that are open
	top     *tree
	home    string // the repository or directory of the project's first file
	files   int    // read in this round
	missing []missing
	stopped bool
}

// config is a project file.
type config struct {
	name    string // name in findings
	root    *node  // nil if it cannot be read
	version int
}

// missing is a repository that a file is included from.
type missing struct {
	repo string
	at   finding.Span
}

// Read reads project files and what they include, and merges them as kas does:
// mappings are merged, and for other values the last one counts. The project is nil
// if a file cannot be read as one. Otherwise it is what could be read, and must not
// be built if the findings include errors. sources are the files, for
// finding.Findings.Render.
func Read(names []string, o Options) (p *Project, sources []decl.Source, fs finding.Findings) {
	r := &reader{Options: o, rep: &report{}, parsed: map[string]*config{}, trees: map[string]*tree{}}
	defer r.close()
	merged := r.merged(names)
	if merged != nil && merged.kind == mapping && !r.stopped {
		p = r.project(merged)
	}
	return p, r.sources, r.rep.All
}

// merged opens the files, and reads them again as long as they name new
// repositories from which files are included.
func (r *reader) merged(names []string) *node {
	tops, err := r.open(names)
	if err != nil {
		r.rep.Fail(finding.Span{File: names[0], Line: 1, Col: 1, Len: 1}, "", "%v", err)
		return nil
	}
	return r.rounds(tops)
}

func (r *reader) rounds(tops []string) *node {
	for range maxRounds {
		r.files, r.missing = 0, nil
		var all []*config
		for i, name := range tops {
			all = append(all, r.walk(name, r.top, nil, i == 0)...)
		}
		merged := merge(all)
		if merged == nil || r.rep.All.HasErrors() || len(r.missing) == 0 {
			return merged
		}
		if !r.openMissing(merged) {
			return merged
		}
	}
	r.stop(r.top.shown(tops[0]), fmt.Sprintf("repositories name one another more than %d levels deep", maxRounds))
	return nil
}

// openMissing opens repositories from which files are included. It reports whether
// there are new ones; if not, it notes which are missing.
func (r *reader) openMissing(merged *node) bool {
	opened, failed := false, map[string]bool{}
	for _, m := range r.missing {
		if r.trees[m.repo] != nil || failed[m.repo] {
			continue
		}
		entry, ok := lookup(merged.get("repos"), m.repo)
		if !ok {
			continue
		}
		t, err := r.openRepo(r.repo(merged, entry))
		if err != nil {
			r.rep.Fail(m.at, "--remote NAME=DIR takes a repository from a directory", "files of repository %s cannot be fetched: %v", finding.Quote(m.repo), err)
			failed[m.repo] = true
			continue
		}
		r.trees[m.repo] = t
		opened = true
	}
	if len(failed) > 0 {
		return false
	}
	if !opened {
		for _, m := range r.missing {
			r.rep.Fail(m.at, "", "repository %s, which a file is included from, is not among the repos", finding.Quote(m.repo))
		}
	}
	return opened
}

// lookup returns an entry of a mapping, with its key.
func lookup(n *node, key string) (pair, bool) {
	if n == nil {
		return pair{}, false
	}
	for _, p := range n.pairs {
		if p.key == key {
			return p, true
		}
	}
	return pair{}, false
}

// walk reads a file, before it its lock file, and after that the files that it
// includes, in the order in which they are merged. within are the files that
// include it.
func (r *reader) walk(name string, t *tree, within []string, first bool) []*config {
	shown := t.shown(name)
	if r.files++; r.files > maxFiles && !r.stopped {
		r.stop(shown, fmt.Sprintf("the project has more than %d files", maxFiles))
	}
	if r.stopped {
		return nil
	}
	c, err := r.file(name, t)
	if err != nil {
		r.stop(shown, err.Error())
		return nil
	}
	if c.root == nil {
		return nil
	}
	t = r.sourceDir(c, t, first)
	var all []*config
	if lock := lockName(name); !r.NoLock && t.has(lock) {
		all = r.walk(lock, t, append(within, shown), false)
	}
	for _, inc := range includes(c.root) {
		all = append(all, r.include(inc, name, t, append(within, shown))...)
	}
	return append(all, c)
}

func (r *reader) stop(file, what string) {
	r.stopped = true
	r.rep.Fail(finding.Span{File: file, Line: 1, Col: 1, Len: 1}, "", "%s", what)
}

func includes(root *node) []*node {
	if inc := root.get("header", "includes"); inc != nil {
		return inc.items
	}
	return nil
}

// lockName is the lock file of a project file.
func lockName(name string) string {
	ext := path.Ext(name)
	return strings.TrimSuffix(name, ext) + ".lock" + ext
}

// sourceDir is the tree against which a file's includes are resolved: a file
// written by kas' menu names it.
func (r *reader) sourceDir(c *config, t *tree, first bool) *tree {
	dir := c.root.get("_source_dir")
	switch {
	case dir == nil:
		return t
	case !first:
		r.once(dir.at, "only the first file may set it", "_source_dir is set in an included file")
		return t
	case !filepath.IsAbs(dir.str()):
		r.once(dir.at, "", "_source_dir %s is not an absolute path", finding.Quote(dir.text))
		return t
	}
	err := r.within(dir.text)
	var o *tree
	if err == nil {
		o, err = r.openDir(dir.text, dir.text)
	}
	if err != nil {
		r.once(dir.at, allowHint(err), "_source_dir: %v", err)
		return t
	}
	r.top = o
	return o
}

// once is fail for mistakes that are found again in each round.
func (r *reader) once(at finding.Span, hint, format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	if !slices.ContainsFunc(r.rep.All, func(f finding.Finding) bool { return f.Span == at && f.Summary == text }) {
		r.rep.Fail(at, hint, "%s", text)
	}
}

// include reads the file that an entry of includes names.
func (r *reader) include(inc *node, from string, t *tree, within []string) []*config {
	name := inc.str()
	if inc.kind == mapping {
		repo := inc.get("repo").str()
		name = inc.get("file").str()
		if t = r.trees[repo]; t == nil {
			r.missing = append(r.missing, missing{repo, inc.at})
			return nil
		}
	}
	file, err := t.find(name, from, inc.kind == text)
	switch {
	case err != nil:
		r.once(inc.at, "", "included file %s%s: %v", finding.Quote(name), t.of, err)
		return nil
	case slices.Contains(within, t.shown(file)):
		r.once(inc.at, "", "%s includes itself", finding.Quote(name))
		return nil
	case len(within) > maxIncludes:
		r.once(inc.at, "", "files include one another more than %d levels deep", maxIncludes)
		return nil
	}
	return r.walk(file, t, within, false)
}

// file reads a file once. Its mistakes become findings.
func (r *reader) file(name string, t *tree) (*config, error) {
	c := &config{name: t.shown(name)}
	if old := r.parsed[c.name]; old != nil {
		return old, nil
	}
	data, err := t.read(name)
	if err != nil {
		return nil, err
	}
	r.parsed[c.name] = c
	r.sources = append(r.sources, decl.Source{Name: c.name, Data: data})
	p := &parser{file: c.name, data: data, rep: r.rep}
	var root *node
	switch path.Ext(name) {
	case ".json":
		root, err = p.parseJSON()
	case ".yml", ".yaml":
		root, err = p.parseYAML()
	default:
		return nil, errors.New("the name of a project file ends in .yml, .yaml or .json")
	}
	var m *mistake
	if errors.As(err, &m) {
		r.rep.Fail(m.at, m.hint, "%s", m.text)
		return c, nil
	}
	before := len(r.rep.All)
	c.version = r.rep.checkFile(root)
	if !r.rep.All[before:].HasErrors() {
		c.root = root
	}
	return c, nil
}

// merge merges files in order.
func merge(all []*config) *node {
	var out *node
	for _, c := range all {
		if out == nil {
			out = c.root
			continue
		}
		out = mergeInto(out, c.root)
	}
	return out
}

// mergeInto lays one mapping over another.
func mergeInto(under, over *node) *node {
	n := &node{kind: mapping, at: over.at, pairs: slices.Clone(under.pairs)}
	index := make(map[string]int, len(n.pairs)) // many files may have many keys
	for i, p := range n.pairs {
		index[p.key] = i
	}
	for _, p := range over.pairs {
		i, ok := index[p.key]
		if !ok {
			n.pairs = append(n.pairs, p)
			continue
		}
		if old := n.pairs[i].value; old.kind == mapping && p.value.kind == mapping {
			p.value = mergeInto(old, p.value)
		}
		n.pairs[i] = p
	}
	return n
}

// limited reads a file up to one byte more than allowed.
func limited(f io.Reader) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(f, maxFileSize+1))
	if err == nil && len(data) > maxFileSize {
		return nil, fmt.Errorf("the file is larger than %d bytes", maxFileSize)
	}
	return data, err
}
