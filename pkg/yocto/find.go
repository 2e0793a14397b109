// SPDX-License-Identifier: MPL-2.0

// Package yocto finds the files that a build of the Yocto Project has deployed: the
// machine, the image and the files from which a disk is made, under the names that
// OpenEmbedded has used since 2014. It looks at names and links, and reads a file
// only to find a kernel's version. What the files are used for is up to the caller.
package yocto

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/carosio/carosbuild/pkg/disk/tree"
)

// defaultDirs are the directories of deployed images in redomat's build directory:
// the name of TMPDIR ends with that of the C library unless the distribution
// prevents that (TCLIBCAPPEND).
var defaultDirs = []string{"/REDO/build/tmp/deploy/images", "/REDO/build/tmp-*/deploy/images"}

// Query says what to look for. The zero value finds the only image of the only
// machine.
type Query struct {
	Dir     string // has the machines' directories, or is one of them; "" for redomat's place
	Machine string // "" for the only one
	Image   string // IMAGE_BASENAME, "" for the only one

	// What the build's configuration and targets say, used if the fields above are
	// empty.
	LikelyMachine string
	LikelyImages  []string // the likeliest first; names that are not images are ignored
}

// Deployed is the content of one machine's directory for one image.
type Deployed struct {
	Dir     string // path in the tree, without a leading slash
	Machine string // "" if the directory is not named after one
	Image   string // "" if there is none
	Why     string // how the machine and the image were chosen, "" if there was no choice
	Old     bool   // overrides in the configuration are written with _ instead of :

	tree  *tree.Tree
	names []string // names of the files in Dir
	build string   // TMPDIR, "" if not known
}

// Find finds the machine and the image. Errors are mistakes of the declaration:
// they list the choices, and say what to write.
func Find(t *tree.Tree, q Query) (*Deployed, error) {
	dirs, err := imageDirs(t, q)
	if err != nil {
		return nil, err
	}
	d, err := findMachine(t, q, dirs)
	if err != nil {
		return nil, err
	}
	if top, ok := strings.CutSuffix(path.Dir(d.Dir), "/deploy/images"); ok {
		d.build = top
	}
	d.Old = oldOverrides(t, d.build)
	return d, d.findImage(q)
}

// imageDirs are the directories that contain one directory for each machine.
func imageDirs(t *tree.Tree, q Query) ([]string, error) {
	patterns := defaultDirs
	if q.Dir != "" {
		patterns = []string{q.Dir}
	}
	var dirs []string
	for _, p := range patterns {
		found, err := t.Glob(p)
		if err != nil { // it does not exist
			continue
		}
		for _, f := range found {
			if e, err := t.Lookup(f); err == nil && e.Type() == tree.Dir {
				dirs = append(dirs, e.Path)
			}
		}
	}
	dirs = union(nil, dirs) // links may lead to the same one
	if len(dirs) == 0 {
		return nil, &Error{
			Text:   fmt.Sprintf("nothing is deployed: there is no directory %s", strings.Join(patterns, " or ")),
			Remedy: noDirRemedy(t, q),
		}
	}
	return dirs, nil
}

// noDirRemedy names the directories in the tree that have deployed images, if any:
// those whose path ends as bitbake's does.
func noDirRemedy(t *tree.Tree, q Query) string {
	var all []string
	for _, e := range t.Entries {
		if e.Type() == tree.Dir && strings.HasSuffix(e.Path, "/deploy/images") {
			all = append(all, "/"+e.Path)
		}
	}
	switch {
	case len(all) > 0:
		slices.Sort(all)
		return fmt.Sprintf("images are deployed in %s: write <deploy dir=%q/> in the disk", few(all), all[0])
	case q.Dir != "":
		return "run bitbake for an image in the stage: it has no directory deploy/images"
	}
	return `run bitbake for an image in the stage; with another TMPDIR or DEPLOY_DIR, write <deploy dir="/DIRECTORY/deploy/images"/> in the disk`
}

// findMachine chooses the directory of a machine.
func findMachine(t *tree.Tree, q Query, dirs []string) (*Deployed, error) {
	var all []*Deployed
	for _, dir := range dirs {
		if names := files(t, dir); slices.ContainsFunc(names, deployedName) && q.Dir != "" { // the machine's own directory
			all = append(all, &Deployed{Dir: dir, Machine: machineOf(path.Base(dir), names), tree: t, names: names})
			continue
		}
		for _, name := range t.Names(dir) {
			sub := dir + "/" + name
			if e, err := t.Lookup(sub); err != nil || e.Type() != tree.Dir {
				continue
			}
			if names := files(t, sub); len(names) > 0 {
				all = append(all, &Deployed{Dir: sub, Machine: name, tree: t, names: names})
			}
		}
	}
	want, why := q.Machine, ""
	if want == "" && len(all) > 1 {
		if want, why = q.LikelyMachine, "MACHINE of local_conf"; want == "" {
			want, why = confMachine(t, dirs), "MACHINE of local.conf"
		}
	}
	if want != "" {
		if i := slices.IndexFunc(all, func(d *Deployed) bool { return d.Machine == want }); i >= 0 {
			all[i].Why = why
			return all[i], nil
		}
	}
	switch {
	case len(all) == 0:
		return nil, &Error{
			Text:   fmt.Sprintf("nothing is deployed: /%s is empty", strings.Join(dirs, " and /")),
			Remedy: "run bitbake for an image in the stage",
		}
	case want == "" && len(all) == 1:
		return all[0], nil
	case want == "":
		return nil, &Error{
			Text:   "files of several machines are deployed: " + machines(all),
			Remedy: "choose one: " + all[0].element() + " in the disk",
		}
	}
	return nil, &Error{
		Text:   fmt.Sprintf("nothing is deployed for machine %q; there is: %s", want, machines(all)),
		Remedy: fmt.Sprintf("write %s in the disk, or MACHINE = %q in local_conf", all[0].element(), want),
	}
}

// element is the element that would choose this directory.
func (d *Deployed) element() string {
	if d.Machine == "" { // nothing says which machine it is for
		return fmt.Sprintf("<deploy dir=%q/>", "/"+d.Dir)
	}
	return fmt.Sprintf("<deploy machine=%q/>", d.Machine)
}

// confMachine is MACHINE of the build's own local.conf.
func confMachine(t *tree.Tree, dirs []string) string {
	for _, dir := range dirs {
		top, ok := strings.CutSuffix(dir, "/deploy/images")
		if !ok {
			continue
		}
		if m := MachineOf(text(t, path.Dir(top)+"/conf/local.conf")); m != "" {
			return m
		}
	}
	return ""
}

// machineOf is the machine that a directory is for: it is in most file names.
func machineOf(dir string, names []string) string {
	if slices.ContainsFunc(names, func(n string) bool { return strings.Contains(n, "-"+dir) }) {
		return dir
	}
	return ""
}

func machines(all []*Deployed) string {
	var names []string
	for _, d := range all {
		name := d.Machine
		if name == "" {
			name = "/" + d.Dir
		}
		names = append(names, name)
	}
	slices.Sort(names)
	return few(slices.Compact(names))
}

// files are the names in a directory that are files, or links to files.
func files(t *tree.Tree, dir string) []string {
	e, err := t.Lookup(dir)
	if err != nil {
		return nil
	}
	var out []string
	for _, name := range t.Names(e.Path) {
		if f, err := t.Lookup(e.Path + "/" + name); err == nil && f.Type() == tree.Regular {
			out = append(out, name)
		}
	}
	return out
}

// findImage chooses the image.
func (d *Deployed) findImage(q Query) error {
	have := union(d.images(), d.unpacked()) // a recipe without an image may still have a directory
	if q.Image != "" {
		d.Image = q.Image
		if slices.Contains(have, q.Image) || slices.ContainsFunc(d.artifacts(), func(a artifact) bool { return a.image == q.Image }) {
			return nil
		}
		return &Error{
			Text:   fmt.Sprintf("no root file system of image %q is deployed for machine %s; there is: %s", q.Image, d.Machine, orNone(have)),
			Remedy: fmt.Sprintf("build it: <bitbake_target>%s</bitbake_target>", q.Image),
		}
	}
	for i, name := range q.LikelyImages {
		if !slices.Contains(have, name) {
			continue
		}
		d.Image = name
		if len(have) > 1 {
			why := "the last bitbake target that is an image"
			if i == 0 {
				why = "the last bitbake target"
			}
			d.Why = strings.TrimPrefix(d.Why+", "+why, ", ")
		}
		return nil
	}
	switch len(have) {
	case 0: // a kernel may not need an image
		return nil
	case 1:
		d.Image = have[0]
		return nil
	}
	return &Error{
		Text:   fmt.Sprintf("several images are deployed for machine %s: %s", d.Machine, few(have)),
		Remedy: fmt.Sprintf("choose one: <deploy image=%q/> in the disk", have[0]),
	}
}

// union are the names of a, followed by those of b that are not in a. There may be
// as many as someone has made directories.
func union(a, b []string) []string {
	seen := make(map[string]bool, len(a))
	for _, name := range a {
		seen[name] = true
	}
	for _, name := range b {
		if !seen[name] {
			seen[name] = true
			a = append(a, name)
		}
	}
	return a
}

func orNone(names []string) string {
	if len(names) == 0 {
		return "none"
	}
	return few(names)
}

// few lists names for a message, but not all of them if there are many.
func few(names []string) string {
	const most = 8
	if n := len(names); n > most {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), n-most)
	}
	return strings.Join(names, ", ")
}
