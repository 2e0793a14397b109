// SPDX-License-Identifier: MPL-2.0

package kas

import (
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/carosio/carosbuild/pkg/decl/finding"
	"github.com/carosio/carosbuild/pkg/lazyregexp"
)

// Form determines a declaration where the project leaves a choice.
type Form struct {
	From string // image that the build runs in; empty: a Debian root file system is made for it
	Base string // key of the repository with oe-init-build-env; empty: it is found automatically
	Dir  string // absolute directory against which relative file names are resolved
	// Known lists the files below an absolute directory in a git work tree: those
	// that git tracks, and those that it neither tracks nor ignores. Names are
	// slash-separated and relative to the directory. Nil: all files count.
	Known func(dir string) (tracked, others []string, err error)
}

// The stages of a declaration.
const (
	hostStage  = "010-host"
	layerStage = "020-layers"
	buildStage = "030-bitbake"
)

// hostPackages are the packages of Debian 12 that bitbake of a current series
// needs, and those that the stages' own actions use.
const hostPackages = "bzip2 ca-certificates chrpath cpio diffstat file g++ gawk gcc git libacl1 locales lz4 make patch procps python3 " +
	"python3-git python3-jinja2 python3-pexpect python3-subunit rpcsvc-proto socat texinfo unzip wget xz-utils zstd"

// Declaration is a project as the text of a declaration.
type Declaration struct {
	XML []byte
	// Origins are the places in the project from which each line of XML comes;
	// lines count from 1.
	Origins map[int]finding.Span
}

// declarer makes a declaration.
type declarer struct {
	*Project
	Form
	writer
	base   *Repo
	dirs   map[string]string // of repositories below the base layer's, by key; "." is the base layer
	remote map[string]string // name of a remote by its address
	adds   []add
}

// add is a file or directory of this machine that goes into a tree.
type add struct {
	from, to string
	at       finding.Span
}

// Declare makes a declaration from the project. Further findings say what it leaves
// out; the declaration must not be built if they include errors.
func (p *Project) Declare(f Form) (*Declaration, finding.Findings) {
	before := len(p.rep.All)
	own := *p
	own.Repos = slices.Clone(p.Repos) // the base layer of it may get another address
	d := &declarer{Project: &own, Form: f, dirs: map[string]string{}, remote: map[string]string{}, writer: writer{origins: map[int]finding.Span{}}}
	d.limits()
	if d.chooseBase() {
		d.nameDirs()
		d.write()
	}
	return &Declaration{XML: []byte(d.text.String()), Origins: d.origins}, slices.Clone(p.rep.All[min(before, len(p.rep.All)):])
}

// limits reports what a declaration cannot express.
func (d *declarer) limits() {
	if bs := d.root.get("build_system"); strings.HasPrefix(d.BuildSystem, "isar") {
		d.rep.Fail(bs.at, "carosbuild builds OpenEmbedded", "build_system %s cannot be built", finding.Quote(d.BuildSystem))
	}
	if b := d.root.get("buildtools"); b != nil {
		d.rep.Warn(b.at, "the programs are those of the host stage; --from IMAGE takes others", "buildtools are not fetched")
	}
	if b := d.root.get("proxy_config"); b != nil {
		d.rep.Warn(b.at, "set http_proxy and the like in the environment", "proxy_config has no effect; it has none in kas")
	}
	for _, r := range d.Repos {
		d.repoLimits(r)
	}
	d.confLimits()
	for _, a := range d.Artifacts {
		if strings.Contains(a.Text, "**") {
			d.rep.Warn(a.At, "name the directories, or write * for each", "** in artifact %s matches one directory", finding.Quote(a.Name))
		}
	}
}

func (d *declarer) repoLimits(r Repo) {
	if r.Type == "hg" {
		d.rep.Fail(r.place("type"), "use a git mirror of it", "repository %s is a Mercurial repository", finding.Quote(r.Key))
	}
	if r.Signed {
		if !fullID().MatchString(r.Commit) {
			d.rep.Fail(r.place("signed"), "pin it: give it a commit", "repository %s is signed: carosbuild does not check signatures, and without a commit its tag or branch may change", finding.Quote(r.Key))
		} else {
			d.rep.Warn(r.place("signed"), "the commit id identifies the content", "the signature of repository %s is not checked", finding.Quote(r.Key))
		}
	}
	for _, p := range r.Patches {
		if r.URL == "" {
			d.rep.Warn(p.At, "", "patch %s is not applied: repository %s is a directory of this machine", finding.Quote(p.ID), finding.Quote(r.Key))
		}
	}
}

var (
	ownPlaces = lazyregexp.New(`(?m)^[ \t]*(?:(DL_DIR)[ \t]*:?=|(SSTATE_DIR)[ \t]*(?:\?\??|:)?=)`) // weaker assignments lose against the assignment of DL_DIR
	relatives = lazyregexp.New(`\$\{TOPDIR\}/\.\.`)
)

// confLimits warns of settings that expect another layout.
func (d *declarer) confLimits() {
	for _, f := range slices.Concat(d.LocalConf, d.BBLayersConf) {
		if m := ownPlaces().FindStringSubmatch(f.Text); m != nil {
			d.rep.Warn(f.At, "leave it out, or give the stage a <cache> at that path", "%s sets %s: files there become part of the image instead of carosbuild's cache", finding.Quote(f.Name), m[1]+m[2])
		}
		if relatives().MatchString(f.Text) {
			d.rep.Warn(f.At, "repositories are in /REDO/source/BASE and below it", "%s has a path relative to ${TOPDIR}, which is /REDO/build", finding.Quote(f.Name))
		}
	}
}

// coreNames are the usual names of repositories with oe-init-build-env.
var coreNames = []string{"poky", "openembedded-core", "oe-core"}

// isCore reports whether a repository is known to have oe-init-build-env: by its
// name or, if it is a directory of this machine, by looking into it.
func (r Repo) isCore() bool {
	if r.URL == "" {
		_, err := os.Stat(filepath.Join(r.dir, "oe-init-build-env"))
		return err == nil
	}
	return slices.ContainsFunc([]string{r.Key, r.Name, strings.TrimSuffix(path.Base(r.URL), ".git")}, func(name string) bool {
		return slices.Contains(coreNames, name)
	})
}

// chooseBase finds the repository that the others are checked out below: the one
// with OpenEmbedded's core layer.
func (d *declarer) chooseBase() bool {
	var likely, named []int
	for i, r := range d.Repos {
		switch {
		case d.Base != "" && r.Key == d.Base:
			likely, named = []int{i}, nil
		case d.Base != "":
		case r.isCore():
			named = append(named, i)
		case slices.ContainsFunc(r.Layers, func(l Layer) bool { return path.Clean(l.Path) == "meta" }):
			likely = append(likely, i)
		}
	}
	found := slices.Concat(named, likely)
	switch {
	case len(d.Repos) == 0:
		d.rep.Fail(d.reposAt(), "", "the project has no repos")
		return false
	case len(named) == 1:
		found = named
	case len(found) == 0 && d.Base != "":
		var keys []string
		for _, r := range d.Repos {
			keys = append(keys, r.Key)
		}
		d.rep.Fail(d.reposAt(), "", "--base %s is not one of the project's repositories, which are %s", finding.Quote(d.Base), some(keys))
		return false
	case len(found) == 0:
		d.rep.Fail(d.reposAt(), "--base REPO names it: the one with oe-init-build-env", "no repository is known to be the base layer (poky, openembedded-core, oe-core, or one with the layer meta)")
		return false
	case len(found) > 1:
		f := d.rep.Fail(d.Repos[found[1]].at, "--base REPO names the right one", "repositories %s and %s both may be the base layer", finding.Quote(d.Repos[found[0]].Key), finding.Quote(d.Repos[found[1]].Key))
		f.Notes = []finding.Note{{Span: d.Repos[found[0]].at, Text: "the first one is here"}}
		return false
	}
	d.base = &d.Repos[found[0]]
	if d.base.URL == "" {
		return d.localBase()
	}
	return true
}

func (d *declarer) reposAt() finding.Span {
	if r := d.root.get("repos"); r != nil {
		return r.at
	}
	return d.root.at
}

// localBase uses a base layer on this machine as a git repository.
func (d *declarer) localBase() bool {
	if repositoryOf(d.base.dir) != filepath.Clean(d.base.dir) {
		if _, err := readSmall(filepath.Join(d.base.dir, ".git")); err != nil {
			d.rep.Fail(d.base.at, "give it a url", "repository %s is the base layer, but %s is not the top of a git repository", finding.Quote(d.base.Key), d.base.dir)
			return false
		}
	}
	d.rep.Warn(d.base.at, "commit its changes before a build", "repository %s is a directory of this machine: its last commit is taken, without changes that are not committed", finding.Quote(d.base.Key))
	d.base.URL, d.base.Commit, d.base.Branch, d.base.Tag, d.base.Refspec = filepath.Clean(d.base.dir), "", "", "", "HEAD"
	return true
}

// taken are directories of OpenEmbedded-Core and poky: a repository of the same
// name must not replace them.
var taken = []string{"bitbake", "contrib", "documentation", "meta", "meta-poky", "meta-selftest", "meta-skeleton", "meta-yocto", "meta-yocto-bsp", "scripts", ".git", ".templateconf"}

var usable = lazyregexp.New(`[^A-Za-z0-9_.-]+`)

// nameDirs gives each repository a directory below the base layer's. The repository
// with bitbake gets the one where OpenEmbedded-Core looks for it.
func (d *declarer) nameDirs() {
	used := map[string]bool{}
	for _, r := range d.Repos {
		if r.Key == d.base.Key {
			d.dirs[r.Key] = "."
			continue
		}
		name := strings.Trim(usable().ReplaceAllString(r.Name, "-"), "-.")
		if r.URL != "" && strings.TrimSuffix(path.Base(r.URL), ".git") == "bitbake" {
			name = "bitbake"
		} else if name == "" || slices.Contains(taken, name) {
			name = "kas-" + name
		}
		for n := 2; used[name]; n++ {
			name = fmt.Sprintf("%s-%d", strings.TrimSuffix(name, fmt.Sprintf("-%d", n-1)), n)
		}
		used[name] = true
		d.dirs[r.Key] = name
	}
}

// repoNamed is the repository of a layer.
func (d *declarer) repoNamed(name string) *Repo {
	i := slices.IndexFunc(d.Repos, func(r Repo) bool { return r.Name == name })
	return &d.Repos[i]
}
