// SPDX-License-Identifier: MPL-2.0

// Package bitbake makes what a bitbake build inside a stage needs: its two
// configuration files and its command. It also parses bitbake's output. It runs
// nothing and opens no files. Contents and paths are those of redomat.
package bitbake

import (
	"path"
	"strings"
)

// Paths inside a stage.
const (
	SourceDir = "/REDO/source"             // git trees: the base layer's, and the others below it
	BuildDir  = "/REDO/build"              // TOPDIR
	ConfDir   = BuildDir + "/conf"         // bblayers.conf, local.conf, sanity.conf
	Downloads = "/REDO/download"           // DL_DIR
	SState    = BuildDir + "/sstate-cache" // SSTATE_DIR, unless something sets it
	BuildID   = SourceDir + "/BUILDID"     // the build's id, without a newline
)

// Layer is a git tree with bitbake layers.
type Layer struct {
	Name    string   `json:"name"`             // name of its directory below the base layer's
	Subdirs []string `json:"subdirs,omitzero"` // directories that are layers; none means the tree itself
}

// Dir is the directory of a layer's tree; base is the name of the base layer's
// directory, and layer "" means the base layer.
func Dir(base, layer string) string { return path.Join(SourceDir, base, layer) }

// Era says which settings a base layer needs.
type Era struct {
	Poky   bool // meta-poky instead of meta-yocto: since 2.1
	Modern bool // no more image-mklibs and image-prelink, HALT instead of ABORT: since 3.4
}

// MkLibs is a class that exists in base layers before the modern ones.
const MkLibs = "meta/classes/image-mklibs.bbclass"

// Layers are the layers of a build.
type Layers struct {
	Base  string   `json:"base"`           // name of the base layer's directory
	Trees []Layer  `json:"trees,omitzero"` // trees below the base layer
	Paths []string `json:"paths,omitzero"` // directories below Base that are layers, in order; nil means Base's own two and those of Trees
	Head  []string `json:"head,omitzero"`  // text for bblayers.conf, in front of BBLAYERS
}

// dirs are the layer directories; distro is the second one of the base layer.
func (l Layers) dirs(distro string) []string {
	var dirs []string
	for _, p := range l.Paths {
		dirs = append(dirs, Dir(l.Base, p))
	}
	if l.Paths != nil {
		return dirs
	}
	dirs = []string{Dir(l.Base, "meta"), Dir(l.Base, distro)}
	for _, t := range l.Trees {
		if len(t.Subdirs) == 0 {
			dirs = append(dirs, Dir(l.Base, t.Name))
		}
		for _, sub := range t.Subdirs {
			dirs = append(dirs, path.Join(Dir(l.Base, t.Name), sub))
		}
	}
	return dirs
}

// BBLayers is the content of bblayers.conf.
func BBLayers(l Layers, era Era) string {
	distro, version := "meta-yocto", `LCONF_VERSION = "6"`
	switch {
	case era.Poky:
		distro, version = "meta-poky", "LCONF_VERSION = \"7\"\nPOKY_BBLAYERS_CONF_VERSION = \"2\""
	case era.Modern && l.Paths != nil: // OE-core without poky
		version = `LCONF_VERSION = "7"`
	}
	return `# LCONF_VERSION tells which form of this file it is: bitbake's sanity
# checks compare it with the one that the layers want
` + version + `

BBPATH = "${TOPDIR}"
BBFILES ?= ""

` + joined(l.Head) + `BBLAYERS ?= "` + strings.Join(l.dirs(distro), " ") + `"
`
}

// header is the beginning of local.conf.
func header(modern bool) string {
	classes, stop, version := "buildstats image-mklibs image-prelink", "ABORT", "1"
	if modern {
		classes, stop, version = "buildstats", "HALT", "2"
	}
	var limits []string
	for _, limit := range []string{"STOPTASKS,%s,1G,100K", stop + ",%s,100M,1K"} {
		for _, dir := range []string{"${TMPDIR}", "${DL_DIR}", "${SSTATE_DIR}"} {
			limits = append(limits, strings.Replace(limit, "%s", dir, 1))
		}
	}
	return `DL_DIR = "` + Downloads + `"
PACKAGE_CLASSES = "package_ipk"
USER_CLASSES = "` + classes + `"
PATCHRESOLVE = "noop"
BB_DISKMON_DIRS = "` + strings.Join(limits, " ") + `"
CONF_VERSION = "` + version + `"

`
}

// LocalConf is the content of local.conf: a few settings, then the fragments
// as they are. bitbake's last assignment wins.
func LocalConf(era Era, fragments []string) string {
	return header(era.Modern) + joined(fragments)
}

// joined joins texts, each of which gets a line break at its end.
func joined(fragments []string) string {
	var b strings.Builder
	for _, f := range fragments {
		b.WriteString(f)
		if !strings.HasSuffix(f, "\n") {
			b.WriteByte('\n')
		}
	}
	return b.String()
}

// Command is the command that runs bitbake for some targets, or for one of their
// tasks. The shell does not interpret any of its words.
func Command(base, task string, targets []string) []string {
	args := []string{
		"/bin/bash", "-c", `carosbuild_args=("${@:3}"); source "$1" "$2" && exec bitbake "${carosbuild_args[@]}"`, "bitbake",
		Dir(base, "oe-init-build-env"), BuildDir,
	}
	if task != "" {
		args = append(args, "-c", task)
	}
	return append(args, targets...)
}
