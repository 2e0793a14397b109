// SPDX-License-Identifier: MPL-2.0

package kas

import (
	"encoding/json"
	"fmt"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/carosio/carosbuild/pkg/decl/finding"
	"github.com/carosio/carosbuild/pkg/lazyregexp"
)

// Heading begins a declaration that was made from a project.
const Heading = "<!-- Made from "

// write writes the declaration.
func (d *declarer) write() {
	what := "a project of kas"
	if len(d.files) > 1 {
		what = "project files of kas"
	}
	d.line(finding.Span{}, Heading+"%s, %s, by carosbuild import -->", comment(strings.Join(d.files, ", ")), what)
	d.line(finding.Span{}, "<redo>")
	d.layerDeclaration()
	for _, f := range d.BBLayersConf {
		d.conf("bblayers_conf", f.At, titled(f))
	}
	d.localConf()
	d.hostStage()
	d.layerStage()
	d.buildStage()
	for _, a := range d.Artifacts {
		d.line(a.At, `  <artifact stage="%s" path="%s"/>`, buildStage, attr(path.Join("/REDO/build", a.Text)))
	}
	d.line(finding.Span{}, "</redo>")
}

func (d *declarer) layerDeclaration() {
	d.line(d.reposAt(), "  <layer_declaration>")
	names := map[string]bool{}
	for _, r := range d.Repos {
		if name, base, _ := r.Address(); r.URL != "" && d.remote[base] == "" {
			d.remote[base] = unique(name, names)
			d.line(r.place("url"), `    <remote name="%s" baseurl="%s"/>`, attr(d.remote[base]), attr(base))
		}
	}
	d.tree("baselayer", *d.base)
	for _, r := range d.Repos {
		if r.URL != "" && r.Key != d.base.Key {
			d.tree("layer", r)
		}
	}
	d.line(d.reposAt(), "    <bblayers>")
	for _, l := range d.Layers {
		d.line(l.At, "      %s", chars(path.Join(d.dirs[d.repoNamed(l.Repo).Key], l.Path)))
	}
	d.line(finding.Span{}, "    </bblayers>")
	d.line(finding.Span{}, "  </layer_declaration>")
}

// tree writes a base layer, or another layer.
func (d *declarer) tree(element string, r Repo) {
	if note := refsBeside(r); note != "" {
		d.line(r.at, "    <!-- %s: %s -->", comment(r.Key), comment(note))
	}
	_, base, repo := r.Address()
	name := ""
	if element == "layer" {
		name = fmt.Sprintf(`name="%s" `, attr(d.dirs[r.Key]))
	}
	at := r.place("commit") // place of the element, used in messages about its commit
	for _, key := range []string{"refspec", "branch", "tag", "commit"} {
		if r.n.get(key) != nil {
			at = r.place(key)
		}
	}
	d.line(at, `    <%s %srevision="%s"`, element, name, attr(r.Revision()))
	d.line(r.place("url"), `      remote="%s" repo="%s"/>`, attr(d.remote[base]), attr(repo))
}

// refsBeside is the branch or tag that is declared beside a commit.
func refsBeside(r Repo) string {
	switch {
	case r.Commit != "" && r.Tag != "":
		return "tag " + r.Tag
	case r.Commit != "" && r.Branch != "":
		return "branch " + r.Branch
	}
	return ""
}

var userPart = lazyregexp.New(`^[^/@]*@`)

// remoteName is a name for the first part of an address.
func remoteName(base string) string {
	_, rest, ok := strings.Cut(base, "://")
	if !ok {
		rest = base
	}
	name := strings.Trim(usable().ReplaceAllString(userPart().ReplaceAllString(rest, ""), "-"), "-.")
	if name == "" {
		return "local"
	}
	return name[max(0, len(name)-100):]
}

func unique(name string, used map[string]bool) string {
	name = strings.TrimLeft(name, "_.-")
	for n, first := 2, name; used[name]; n++ {
		name = fmt.Sprintf("%s-%d", first, n)
	}
	used[name] = true
	return name
}

// localConf writes what kas would write into local.conf. redomat's settings of the
// same variables are unset, since they would override kas' weaker ones.
func (d *declarer) localConf() {
	d.conf("local_conf", finding.Span{}, "unset PACKAGE_CLASSES\nunset USER_CLASSES\nunset PATCHRESOLVE")
	for _, f := range d.LocalConf {
		d.conf("local_conf", f.At, titled(f))
	}
	text := fmt.Sprintf("MACHINE ??= %q\nDISTRO ??= %q", d.Machine, d.Distro)
	if mc := d.Multiconfig(); len(mc) > 0 {
		text += fmt.Sprintf("\nBBMULTICONFIG ?= %q", strings.Join(mc, " "))
	}
	at := d.root.get("machine")
	if at == nil {
		at = d.root
	}
	d.conf("local_conf", at.at, text)
}

func (d *declarer) hostStage() {
	d.line(finding.Span{}, `  <buildstage id="%s">`, hostStage)
	if d.From != "" {
		d.line(finding.Span{}, "    <action>FROM %s</action>", chars(d.From))
	} else {
		d.line(finding.Span{}, `    <bootstrap suite="bookworm" packages="%s"/>`, hostPackages)
		d.line(finding.Span{}, "    <action>RUN echo 'en_US.UTF-8 UTF-8' &gt;/etc/locale.gen &amp;&amp; locale-gen &amp;&amp; useradd --create-home --uid 1000 builder</action>")
		d.line(finding.Span{}, "    <action>ENV LC_ALL= LANG=en_US.UTF-8</action>")
		d.line(finding.Span{}, "    <action>USER builder</action>")
	}
	d.line(finding.Span{}, "  </buildstage>")
}

func (d *declarer) layerStage() {
	d.line(d.reposAt(), `  <buildstage id="%s">`, layerStage)
	d.line(finding.Span{}, "    <prestage>%s</prestage>", hostStage)
	d.line(d.reposAt(), "    <reposync/>")
	for _, r := range d.Repos {
		if r.URL == "" {
			d.addLocal(r)
		}
	}
	for _, r := range d.Repos {
		if r.URL != "" {
			d.addPatches(r)
		}
	}
	for _, a := range d.adds {
		d.line(a.at, "    <action>ADD %s</action>", chars(a.args()))
	}
	for _, r := range d.Repos {
		for _, p := range r.Patches {
			if r.URL != "" {
				d.line(p.At, "    <action>%s</action>", chars(d.applyPatch(r, p)))
			}
		}
	}
	d.line(finding.Span{}, "  </buildstage>")
}

// treeDir is the directory of a repository in the stage.
func (d *declarer) treeDir(key string) string {
	_, _, repo := d.base.Address()
	return path.Join("/REDO/source", repo, d.dirs[key])
}

func (d *declarer) buildStage() {
	d.line(d.targets, `  <buildstage id="%s">`, buildStage)
	d.line(finding.Span{}, "    <prestage>%s</prestage>", layerStage)
	var names []string
	for _, e := range d.Env {
		if !envName().MatchString(e.Name) {
			d.rep.Fail(e.At, "letters, digits and _, not beginning with a digit", "%s is not the name of a variable", finding.Quote(e.Name))
			continue
		}
		names = append(names, e.Name)
		switch {
		case !e.Forward:
			d.line(e.At, "    <action>ENV %s=%s</action>", chars(e.Name), chars(quoted(e.Value)))
		default:
			d.rep.Warn(e.At, "give it a value, or write ENV in an overlay", "the caller's variable %s is not taken: a build must not depend on who starts it", finding.Quote(e.Name))
		}
	}
	if len(names) > 0 { // the first is for bitbake 1.52 and later, the second for older versions
		at := d.root.get("env").at
		d.line(at, "    <action>ENV BB_ENV_PASSTHROUGH_ADDITIONS=%s</action>", chars(quoted(strings.Join(names, " "))))
		d.line(at, "    <action>ENV BB_ENV_EXTRAWHITE=%s</action>", chars(quoted(strings.Join(names, " "))))
	}
	command := ""
	if d.Task != "build" {
		command = fmt.Sprintf(` command="%s"`, attr(d.Task))
	}
	if len(d.Targets) > 0 {
		d.line(d.targets, "    <bitbake_target%s>%s</bitbake_target>", command, chars(strings.Join(d.Targets, " ")))
	} else {
		d.rep.Fail(d.targets, "", "there is no target")
	}
	d.line(finding.Span{}, "  </buildstage>")
}

var envName = lazyregexp.New(`^[A-Za-z_][A-Za-z0-9_]*$`)

// titled is a fragment of one of bitbake's files, after its name in a comment.
func titled(f Fragment) string {
	return "# " + strings.Join(strings.Fields(f.Name), " ") + "\n" + f.Text
}

// quoted is a value of ENV in which nothing is expanded.
func quoted(v string) string {
	if v == "" {
		return `""`
	}
	return "'" + strings.ReplaceAll(v, "'", `'"'"'`) + "'"
}

// applyPatch is the action that applies a patch, or a series of them.
func (d *declarer) applyPatch(r Repo, p Patch) string {
	return fmt.Sprintf(`RUN set -e; cd %s; p=%s; if [ -d "$p" ]; then grep -v '^#' "$p/series" | sed 's/ #.*//' | while read -r f; do git apply --whitespace=nowarn "$p/$f" || exit 1; done; else git apply --whitespace=nowarn "$p"; fi`,
		quoted(d.treeDir(r.Key)), quoted(path.Join(d.treeDir(p.Repo), p.Path)))
}

// simple matches names that ADD takes as they are.
var simple = lazyregexp.New(`^[A-Za-z0-9_./+:@,=][A-Za-z0-9_./+:@,=-]*$`)

// args are the arguments of ADD. A name that could be taken for an option or a
// pattern is written so that it is not.
func (a add) args() string {
	from := a.from
	if strings.HasPrefix(from, "-") {
		from = "./" + from
	}
	if simple().MatchString(from) && simple().MatchString(a.to) {
		return from + " " + a.to
	}
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode([]string{from, a.to}); err != nil { // marshalling two strings cannot fail
		return from + " " + a.to
	}
	return strings.TrimSpace(b.String())
}

// addPatches ensures that the patches of a repository are in the stage.
func (d *declarer) addPatches(r Repo) {
	for _, p := range r.Patches {
		i := slices.IndexFunc(d.Repos, func(o Repo) bool { return o.Key == p.Repo })
		switch {
		case i < 0:
			d.rep.Fail(p.At, "", "patch %s is in repository %s, which is not among the repos", finding.Quote(p.ID), finding.Quote(p.Repo))
		case !filepath.IsLocal(p.Path):
			d.rep.Fail(p.At, "", "patch %s is outside of repository %s", finding.Quote(p.ID), finding.Quote(p.Repo))
		case d.Repos[i].URL == "":
			d.add(d.Repos[i], p.Path, p.At)
		}
	}
}
