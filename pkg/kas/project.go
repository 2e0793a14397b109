// SPDX-License-Identifier: MPL-2.0

package kas

import (
	"cmp"
	"errors"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/carosio/carosbuild/pkg/decl/finding"
	"github.com/carosio/carosbuild/pkg/lazyregexp"
)

// Project is the merged content of project files, with kas' defaults.
type Project struct {
	Version      int // version of the format, the highest of all files
	BuildSystem  string
	Machine      string
	Distro       string
	Task         string
	Targets      []string
	Env          []Env
	Repos        []Repo     // in declared order
	Layers       []Layer    // layers of all repositories, in the order of bblayers.conf
	LocalConf    []Fragment // sorted by name
	BBLayersConf []Fragment // sorted by name
	Artifacts    []Fragment

	root    *node  // merged
	workDir string // absolute
	topDir  string // absolute: where the project's files are
	files   []string
	targets finding.Span
	rep     *report
}

// Env is a variable for bitbake.
type Env struct {
	Name, Value string
	Forward     bool // the variable has no value here: kas takes the caller's, if that is set
	At          finding.Span
}

// Fragment is a named text.
type Fragment struct {
	Name, Text string
	At         finding.Span
}

// Repo is a repository.
type Repo struct {
	Key     string // key in the project
	Name    string // name of its directory
	URL     string // empty: it is a directory of this machine
	Type    string // git or hg
	Commit  string
	Branch  string
	Tag     string
	Refspec string // deprecated form of commit, branch or tag
	Path    string // as declared
	Signed  bool
	Layers  []Layer
	Patches []Patch

	dir string // absolute, of a repository without URL
	at  finding.Span
	n   *node
}

// Layer is a directory of a repository in which bitbake finds recipes.
type Layer struct {
	Repo     string // name of the repository
	Path     string // in the repository, slash-separated; empty or "." for the whole repository
	Priority int    // higher is earlier
	At       finding.Span
}

// Patch is a change to a repository's files.
type Patch struct {
	ID   string
	Repo string // key of the repository that contains the patch
	Path string // path in it: a file, or a directory with a quilt series
	At   finding.Span
}

// Revision is what is checked out: a commit id, or the name of a ref.
func (p Repo) Revision() string {
	switch {
	case p.Commit != "":
		return p.Commit
	case p.Tag != "":
		return "refs/tags/" + p.Tag
	case p.Branch != "":
		return "refs/heads/" + p.Branch
	}
	return p.Refspec
}

// place is the place of a key of the repository or, if it is absent, of the
// repository.
func (p Repo) place(key string) finding.Span {
	if v := p.n.get(key); v != nil {
		return v.at
	}
	return p.at
}

// project takes the values from the merged files.
func (r *reader) project(m *node) *Project {
	p := &Project{
		BuildSystem: cmp.Or(m.get("build_system").str(), "openembedded"),
		Machine:     r.setting("KAS_MACHINE", m.get("machine"), "qemux86-64"),
		Distro:      r.setting("KAS_DISTRO", m.get("distro"), "nodistro"),
		Task:        r.setting("KAS_TASK", m.get("task"), "build"),
		root:        m, workDir: r.WorkDir, topDir: r.top.dir, rep: r.rep, targets: m.at,
	}
	for _, c := range r.parsed {
		p.Version = max(p.Version, c.version)
	}
	for _, s := range r.sources {
		p.files = append(p.files, s.Name)
	}
	r.setTargets(p)
	for _, e := range pairsOf(m.get("env")) {
		p.Env = append(p.Env, Env{Name: e.key, Value: e.value.str(), Forward: e.value.kind == null, At: e.at})
	}
	if n := m.get("repos"); n != nil && len(n.pairs) > maxRepos {
		r.rep.Fail(n.at, "", "%d repositories; at most %d are allowed", len(n.pairs), maxRepos)
		return p
	}
	for _, e := range pairsOf(m.get("repos")) {
		repo := r.repo(m, e)
		r.checkRepo(repo)
		p.Repos = append(p.Repos, repo)
		p.Layers = append(p.Layers, repo.Layers...)
	}
	slices.SortStableFunc(p.Layers, func(a, b Layer) int {
		return cmp.Or(cmp.Compare(b.Priority, a.Priority), cmp.Compare(a.Repo, b.Repo), cmp.Compare(a.Path, b.Path))
	})
	p.LocalConf = fragments(m.get("local_conf_header"))
	p.BBLayersConf = fragments(m.get("bblayers_conf_header"))
	for _, e := range pairsOf(m.get("artifacts")) {
		p.Artifacts = append(p.Artifacts, Fragment{e.key, e.value.str(), e.value.at})
	}
	return p
}

// setting is a value that the environment may override.
func (r *reader) setting(variable string, n *node, otherwise string) string {
	if r.Getenv != nil && r.Getenv(variable) != "" {
		return r.Getenv(variable)
	}
	return cmp.Or(n.str(), otherwise)
}

func (r *reader) setTargets(p *Project) {
	t := p.root.get("target")
	switch {
	case r.Getenv != nil && strings.TrimSpace(r.Getenv("KAS_TARGET")) != "":
		p.Targets = strings.Fields(r.Getenv("KAS_TARGET"))
	case t == nil:
		p.Targets = []string{"core-image-minimal"}
	case t.kind == list:
		p.targets = t.at
		for _, item := range t.items {
			p.Targets = append(p.Targets, item.str())
		}
	default:
		p.Targets, p.targets = []string{t.str()}, t.at
	}
}

// Multiconfig are the configurations that the targets name.
func (p *Project) Multiconfig() []string {
	var all []string
	for _, t := range p.Targets {
		if parts := strings.Split(t, ":"); len(parts) > 1 && (parts[0] == "mc" || parts[0] == "multiconfig") && !slices.Contains(all, parts[1]) {
			all = append(all, parts[1])
		}
	}
	return all
}

func pairsOf(n *node) []pair {
	if n == nil {
		return nil
	}
	return n.pairs
}

func fragments(n *node) []Fragment {
	var all []Fragment
	for _, e := range pairsOf(n) {
		all = append(all, Fragment{e.key, e.value.str(), e.value.at})
	}
	slices.SortFunc(all, func(a, b Fragment) int { return cmp.Compare(a.Name, b.Name) })
	return all
}

var schemeOrHost = lazyregexp.New(`^([A-Za-z][A-Za-z0-9+.-]*://|[^/]*[^/:]:)`)

// repo reads an entry of repos, with the project's defaults and overrides.
func (r *reader) repo(m *node, e pair) Repo {
	defaults, over := m.get("defaults", "repos"), m.get("overrides", "repos", e.key)
	value := func(key string) string {
		if v := e.value.get(key); v != nil { // a default may be null, which means none
			return v.str()
		}
		return defaults.get(key).str()
	}
	p := Repo{
		Key: e.key, Name: cmp.Or(e.value.get("name").str(), e.key), URL: e.value.get("url").str(), Type: cmp.Or(e.value.get("type").str(), "git"),
		Commit: e.value.get("commit").str(), Branch: value("branch"), Tag: value("tag"), Refspec: value("refspec"),
		Path: e.value.get("path").str(), at: e.at, n: e.value,
	}
	p.Signed = e.value.get("signed").yes()
	override := func(key string, to *string) {
		if v := over.get(key); v != nil {
			*to = v.str()
		}
	}
	if p.Refspec != "" {
		override("commit", &p.Refspec)
	} else {
		override("commit", &p.Commit)
		override("branch", &p.Branch)
		override("url", &p.URL)
	}
	switch {
	case p.URL == "":
		p.dir = r.localDir(p)
	case !schemeOrHost().MatchString(p.URL) && !filepath.IsAbs(p.URL): // a directory, relative to the one in which kas runs git
		p.URL = filepath.Join(r.WorkDir, p.URL)
	}
	p.Layers = r.layers(p)
	p.Patches = patches(p, defaults.get("patches", "repo").str())
	return p
}

// layers are the layers that are not disabled. Without an entry, the repository is
// one layer; an empty entry means that there are none.
func (r *reader) layers(p Repo) []Layer {
	all := p.n.get("layers")
	if all == nil {
		return []Layer{{Repo: p.Name, At: p.at}}
	}
	var on []Layer
	for _, e := range all.pairs {
		l := Layer{Repo: p.Name, Path: e.key, At: e.at}
		switch e.value.kind {
		case null:
		case mapping:
			if prio := e.value.get("prio"); prio != nil {
				l.Priority, _ = strconv.Atoi(prio.text)
			}
		default:
			continue
		}
		on = append(on, l)
	}
	return on
}

func patches(p Repo, repo string) []Patch {
	var all []Patch
	for _, e := range pairsOf(p.n.get("patches")) {
		if e.value.kind == null {
			continue
		}
		all = append(all, Patch{ID: e.key, Repo: cmp.Or(e.value.get("repo").str(), repo), Path: e.value.get("path").str(), At: e.value.at})
	}
	slices.SortFunc(all, func(a, b Patch) int { return cmp.Compare(a.ID, b.ID) })
	return all
}

// checkPlace checks the place of a repository that is on this machine.
func (r *reader) checkPlace(p Repo) {
	switch {
	case p.URL == "":
		if err := r.within(p.dir); allowHint(err) != "" {
			r.rep.Fail(p.place("path"), allowHint(err), "repository %s is %s: %v", finding.Quote(p.Key), finding.Quote(p.dir), err)
		}
	case filepath.IsAbs(p.URL) || strings.HasPrefix(p.URL, "file://"): // its reader reports other errors
		if err := r.within(strings.TrimPrefix(p.URL, "file://")); errors.Is(err, errOutside) {
			r.rep.Warn(p.place("url"), "", "repository %s is a git repository of this machine, outside of the project's repository and of KAS_WORK_DIR", finding.Quote(p.Key))
		}
	case password().MatchString(p.URL):
		r.rep.Warn(p.place("url"), "remove it: git's credential helper or ~/.netrc can give it to a build", "the address of repository %s has a password, which goes into the declaration", finding.Quote(p.Key))
	}
}

var password = lazyregexp.New(`^[a-z+]+://[^/@:]*:[^/@]+@`)

var fullID = lazyregexp.New(`^([0-9a-fA-F]{40}|[0-9a-fA-F]{64})$`)

// checkRepo reports contradictions in a repository.
func (r *reader) checkRepo(p Repo) {
	r.checkPlace(p)
	remedy := "give it a branch, a tag or, best of all, a commit"
	switch {
	case p.URL != "" && p.Revision() == "":
		r.rep.Fail(p.at, remedy, "repository %s has no revision", finding.Quote(p.Key))
	case p.Refspec != "" && (p.Commit != "" || p.Tag != "" || p.Branch != ""):
		r.rep.Fail(p.place("refspec"), "remove refspec", "repository %s has a refspec beside commit, tag or branch", finding.Quote(p.Key))
	case p.Refspec != "":
		r.rep.Warn(p.place("refspec"), "write commit, tag or branch", "repository %s has a refspec, which is deprecated", finding.Quote(p.Key))
	case p.URL != "" && p.Tag != "" && p.Branch != "":
		r.rep.Fail(p.place("tag"), "remove one of them", "repository %s has a tag and a branch", finding.Quote(p.Key))
	}
	if p.Commit != "" && !fullID().MatchString(p.Commit) && p.Refspec == "" {
		r.rep.Warn(p.place("commit"), "give the whole id, or write branch or tag", "commit %s of repository %s is not a full commit id: its meaning may change", finding.Quote(p.Commit), finding.Quote(p.Key))
	}
	signers := p.n.get("allowed_signers")
	if p.Signed && (signers == nil || len(signers.items) == 0) {
		r.rep.Fail(p.place("signed"), "", "repository %s is signed, but has no allowed_signers", finding.Quote(p.Key))
	}
	for _, e := range pairsOf(p.n.get("layers")) {
		if e.value.kind != null && e.value.kind != mapping && e.value.text != excluded[0] {
			r.rep.Warn(e.value.at, "write disabled", "%s is a deprecated way to switch a layer off", finding.Quote(e.value.text))
		}
		if strings.HasPrefix(e.key, "/") || !filepath.IsLocal(cmp.Or(e.key, ".")) {
			r.rep.Fail(e.at, "", "layer %s is outside of the repository", finding.Quote(e.key))
		}
	}
	for _, patch := range p.Patches {
		if patch.Repo == "" {
			r.rep.Fail(patch.At, "give it a repo, or set defaults: repos: patches: repo:", "patch %s does not say which repository it is in", finding.Quote(patch.ID))
		}
	}
}

// Address is a repository's address in two parts, as a declaration has it, and the
// name of the remote for the first part.
func (p Repo) Address() (remote, base, repo string) {
	url := strings.TrimRight(p.URL, "/")
	i := strings.LastIndexAny(url, "/:")
	return remoteName(url[:i+1]), url[:i+1], url[i+1:]
}
