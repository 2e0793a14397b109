// SPDX-License-Identifier: MPL-2.0

package decl

import (
	"github.com/carosio/carosbuild/pkg/decl/finding"
	"github.com/carosio/carosbuild/pkg/disk/kind"
	"github.com/carosio/carosbuild/pkg/words"
)

// rule says what an element may contain.
type rule struct {
	attrs []attrRule
	kids  []string // elements that are allowed in it
	once  []string // of these, those allowed once
	text  textRule
}

type attrRule struct {
	name     string
	required bool
	check    check // checks a value that is not empty; nil allows every value
}

type textRule int

const (
	noText   textRule = iota // only white space
	mayText                  // any text, or none
	mustText                 // any text that is not only white space
)

// rootName is the element that a file consists of.
const rootName = "redo"

// grammar is the language: every element by its name. Elements of the same name do
// not differ by where they stand.
var grammar = map[string]rule{
	rootName: {
		attrs: []attrRule{{"base", false, checkHostPath}},
		kids:  []string{"layer_declaration", "local_conf", "bblayers_conf", "buildstage", "disk", "artifact", "feed"},
	},

	// Git layers for bitbake.
	"layer_declaration": {kids: []string{"remote", "baselayer", "layer", "bblayers"}},
	"remote": {attrs: []attrRule{
		{"name", true, checkID}, {"baseurl", true, checkGitURL},
	}},
	"baselayer": {attrs: []attrRule{
		{"remote", true, nil}, {"revision", true, checkRevision}, {"repo", true, checkRepo},
	}},
	"layer": {attrs: []attrRule{
		{"name", true, checkID},
		{"remote", true, nil},
		{"revision", true, checkRevision},
		{"repo", true, checkRepo},
		{"subdirs", false, eachWord(checkSubdir)},
	}},
	"bblayers":      {text: mustText},
	"local_conf":    {text: mayText},
	"bblayers_conf": {text: mayText},

	// Stages.
	"buildstage": {
		attrs: []attrRule{{"id", false, checkID}, {"network", false, oneOf("auto", "host", "none")}},
		kids:  []string{"prestage", "action", "bitbake_target", "reposync", "bootstrap", "cache"},
		once:  []string{"prestage", "bootstrap"},
	},
	"prestage":       {text: mustText},
	"action":         {text: mustText},
	"bitbake_target": {attrs: []attrRule{{"command", false, checkTask}, {"user", false, checkUser}}, text: mustText},
	"reposync":       {text: mayText},
	"bootstrap": {attrs: []attrRule{
		{"suite", true, checkSuite},
		{"arch", false, oneOf(debianArchs...)},
		{"variant", false, oneOf(variants...)},
		{"components", false, eachWord(checkComponent)},
		{"packages", false, eachWord(checkPackage)},
		{"keyring", false, checkHostPath},
		{"mirror", false, checkMirror},
		{"security-mirror", false, checkSecurityMirror},
		{"snapshot", false, checkSnapshot},
	}},
	"cache": {attrs: []attrRule{{"path", true, checkCachePath}, {"id", false, checkID}, {"sharing", false, oneOf("locked", "shared")}}},

	// Disks.
	"disk": {
		attrs: []attrRule{
			{"id", true, checkID},
			{"stage", false, nil},
			{"table", false, oneOf("gpt", "mbr")},
			{"size", false, checkSectors},
			{"align", false, checkSectors},
			{"guid", false, checkGUID},
			{"empty", false, oneOf("yes", "no")},
		},
		kids: []string{"bios", "generalize", "deploy", "blob", "partition", "vm", "expect"},
		once: []string{"bios", "generalize", "deploy", "vm"},
	},
	"deploy": {attrs: []attrRule{
		{"dir", false, checkGlob}, {"machine", false, checkDeployName}, {"image", false, checkDeployName},
	}},
	"generalize": {attrs: []attrRule{{"except", false, eachWord(checkExcept)}}},
	"bios":       {attrs: []attrRule{{"stage", false, nil}}},
	"blob": {attrs: []attrRule{
		{"stage", false, nil},
		{"from", true, checkSource},
		{"at", true, checkSectors},
		{"check", false, oneOf("sunxi-spl")},
	}},
	"partition": {
		attrs: []attrRule{
			{"name", false, checkPartitionName},
			{"type", false, checkPartitionType},
			{"fs", false, oneOf(kind.Names(nil)...)},
			{"label", false, nil},
			{"start", false, checkSectors},
			{"size", true, checkPartitionSize},
			{"path", false, checkSource},
			{"from", false, checkSource},
			{"of", false, nil},
			{"stage", false, nil},
			{"uuid", false, checkUUID},
			{"profile", false, oneOf(kind.Profiles()...)},
			{"compression", false, oneOf(kind.Compressions()...)},
			{"attributes", false, eachWord(oneOf(partitionAttributes...))},
			{"hybrid", false, oneOf("yes", "no")},
			{"active", false, oneOf("yes", "no")},
			{"grow", false, oneOf("yes", "no")},
		},
		kids: []string{"copy", "file", "initrd", "loader", "extlinux", "bootscript", "uki"},
	},
	"copy": {attrs: []attrRule{
		{"stage", false, nil}, {"from", true, checkSource}, {"to", true, checkStagePath}, {"optional", false, oneOf("yes", "no")},
	}},
	"file": {
		attrs: []attrRule{{"to", true, checkStagePath}, {"mode", false, checkMode}},
		text:  mayText,
	},
	"initrd": {attrs: []attrRule{
		{"stage", false, nil},
		{"to", true, checkStagePath},
		{"from", false, checkSource},
		{"modules", false, eachWord(checkModule)},
		{"programs", false, eachWord(checkStagePath)},
		{"kernel", false, checkKernelVersion},
		{"compression", false, oneOf("gzip", "zstd")},
		{"busybox", false, checkGlob},
		{"busybox-stage", false, nil},
		{"optional", false, oneOf("yes", "no")},
	}},
	"loader": {attrs: []attrRule{
		{"kernel", false, checkStagePath},
		{"initrd", false, checkStagePath},
		{"cmdline", false, checkOneLine},
		{"title", false, checkOneLine},
		{"timeout", false, checkNumber(0, 86400)},
	}},
	"extlinux": {attrs: []attrRule{
		{"to", false, checkStagePath},
		{"kernel", false, checkStagePath},
		{"initrd", false, checkStagePath},
		{"fdt", false, checkStagePath},
		{"cmdline", false, checkOneLine},
		{"title", false, checkOneLine},
		{"timeout", false, checkNumber(0, 86400)},
	}},
	"bootscript": {
		attrs: []attrRule{{"to", false, checkStagePath}, {"name", false, checkOneLine}},
		text:  mustText,
	},
	"uki": {attrs: []attrRule{
		{"stage", false, nil},
		{"to", false, checkStagePath},
		{"stub", true, checkSource},
		{"kernel", true, checkSource},
		{"modules", false, eachWord(checkModule)},
		{"programs", false, eachWord(checkStagePath)},
		{"compression", false, oneOf("gzip", "zstd")},
		{"cmdline", false, checkOneLine},
	}},
	"vm": {
		attrs: []attrRule{
			{"name", false, checkOneLine},
			{"product", false, checkOneLine},
			{"product-url", false, checkOneLine},
			{"vendor", false, checkOneLine},
			{"vendor-url", false, checkOneLine},
			{"version", false, checkOneLine},
			{"cores", false, checkNumber(1, 1024)},
			{"memory", false, checkSize},
			{"nics", false, checkNumber(0, 10)},
			{"network", false, checkOneLine},
			{"controller", false, oneOf("pvscsi", "lsilogic", "lsisas", "ahci", "nvme")},
			{"hardware", false, eachWord(checkHardware)},
			{"guest", false, checkGuest},
			{"firmware", false, oneOf("bios", "efi")},
			{"profile", false, oneOf("classic")},
			{"manifest", false, oneOf("sha256", "sha1")},
		},
		kids: []string{"data-disk", "cdrom", "annotation", "eula"},
		once: []string{"cdrom", "annotation", "eula"},
	},
	"cdrom":      {attrs: []attrRule{{"stage", false, nil}, {"from", true, checkSource}}},
	"data-disk":  {attrs: []attrRule{{"size", true, checkSectors}}},
	"annotation": {text: mustText},
	"eula":       {text: mustText},
	"expect":     {attrs: []attrRule{{"console", true, checkOneLine}, {"within", false, checkDuration}}},

	// Results of a build beside disks.
	"artifact": {attrs: []attrRule{
		{"stage", false, nil}, {"path", true, checkGlob}, {"name", false, checkArtifactName},
	}},
	"feed": {attrs: []attrRule{{"stage", false, nil}, {"path", true, checkStagePath}}},
}

// variants are those that pkg/source/debian knows.
var variants = []string{"essential", "apt", "minbase", "required", "buildd", "important", "standard"}

// debianArchs are names of dpkg-architecture, those of the release first.
var debianArchs = []string{
	"amd64", "arm64", "armel", "armhf", "i386", "mips64el", "ppc64el", "riscv64", "s390x",
	"alpha", "hppa", "hurd-i386", "hurd-amd64", "ia64", "loong64", "m68k", "mipsel", "powerpc", "ppc64", "sh4", "sparc64", "x32",
}

// meant maps words that other tools, or redomat's own outdated manual, use to the
// words of this language.
var meant = map[string]string{
	"run": "action", "stage": "buildstage", "parent": "prestage", "url": "baseurl",
	"vfat": "fat32", "fat": "fat32", "msdosfs": "fat16", "squash": "squashfs", "ext3": "ext4", "ext2": "ext4", "dos": "mbr", "msdos": "mbr",
	"uefi": "efi", "true": "yes", "false": "no", "1": "yes", "0": "no",
	"x86_64": "amd64", "x86-64": "amd64", "aarch64": "arm64", "armv7": "armhf", "arm": "armhf", "x86": "i386", "i686": "i386",
}

// deprecated maps names of redomat's manual to today's names. They are accepted
// with a warning.
var deprecated = map[string]string{"dockerline": "action", "fetch": "baseurl", "reponame": "repo"}

// correct is didYouMean that also knows the words of other tools.
func correct(word string, known []string) (right, hint string) {
	right = words.Suggest(word, known)
	if m := meant[word]; m != "" {
		for _, k := range known {
			if k == m {
				right = m
			}
		}
	}
	if right == "" {
		return "", ""
	}
	return right, "did you mean " + finding.QuoteValue(right) + "?"
}

// homes returns the elements that may contain an element.
func homes(name string) []string {
	var in []string
	for _, parent := range sorted(grammar) {
		for _, k := range grammar[parent].kids {
			if k == name {
				in = append(in, "<"+parent+">")
			}
		}
	}
	return in
}
