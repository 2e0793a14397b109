// SPDX-License-Identifier: MPL-2.0

package decl

import (
	"fmt"
	"net/url"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/carosio/carosbuild/pkg/decl/finding"
	"github.com/carosio/carosbuild/pkg/decl/xmltext"
	"github.com/carosio/carosbuild/pkg/disk/uuid"
	"github.com/carosio/carosbuild/pkg/lazyregexp"
	"github.com/carosio/carosbuild/pkg/words"
)

// check looks at a value, which is not empty and has no white space around it. It
// returns nil if the value is good.
type check func(v string) *flaw

// flaw is a mistake in a value.
type flaw struct {
	text     string // continues the sentence after the value: "is not a size"
	hint     string
	from, to int      // the bytes to mark; to is 0 for all of them
	part     bool     // text is about the marked bytes only
	words    []string // all allowed words, if these are few
	secret   bool     // the value must not be printed
}

// idPattern is also what a tag and a single file name can be made of.
var idPattern = lazyregexp.New(`^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,127}$`)

func checkID(v string) *flaw {
	if idPattern().MatchString(v) {
		return nil
	}
	fl := &flaw{text: "is not a usable name", hint: "letters, digits, _ . and -, the first one a letter or digit, at most 128"}
	for i, r := range v {
		if i >= 128 || !idPattern().MatchString(string(r)) && (i == 0 || !strings.ContainsRune("_.-", r)) {
			fl.from, fl.to = i, i+len(string(r))
			if i >= 128 {
				fl.to = len(v)
			}
			break
		}
	}
	return fl
}

// oneOf allows only the given words.
func oneOf(allowed ...string) check {
	return func(v string) *flaw {
		for _, w := range allowed {
			if v == w {
				return nil
			}
		}
		_, hint := correct(v, allowed)
		if hint == "" {
			hint = "it is one of " + words.List(allowed)
		}
		return &flaw{text: "is not known", hint: hint, words: allowed}
	}
}

// eachWord applies a check to every word of a list.
func eachWord(c check) check {
	return func(v string) *flaw {
		for _, w := range xmltext.Plain(v).Words() {
			if fl := c(w.S); fl != nil {
				fl.from, fl.to, fl.part = w.Offset(), w.Offset()+len(w.S), true
				return fl
			}
		}
		return nil
	}
}

// matches makes a check of a pattern.
func matches(pattern, text, hint string) check {
	re := lazyregexp.New(pattern)
	return func(v string) *flaw {
		if re().MatchString(v) {
			return nil
		}
		return &flaw{text: text, hint: hint}
	}
}

var (
	checkUser          = matches(ownerPattern, "is not a user", "USER or USER:GROUP, by name or number")
	checkMode          = matches(`^[0-7]{3,4}$`, "is not a mode", "three or four octal digits, such as 0644")
	checkTask          = matches(`^[A-Za-z0-9_:-]+$`, "is not a bitbake task", "such as populate_sdk")
	checkSuite         = matches(`^[a-z0-9][a-z0-9.+-]*$`, "is not a code name", "such as bookworm")
	checkComponent     = matches(`^[a-z0-9]+([./-][a-z0-9]+)*$`, "is not a component", "such as main or non-free-firmware; several are separated by blanks")
	checkPackage       = matches(`^[a-z0-9][a-z0-9+.-]+(:[a-z0-9-]+)?(=[0-9][A-Za-z0-9.+:~-]*)?$`, "is not a package", "such as openssh-server; several are separated by blanks")
	checkModule        = matches(`^[A-Za-z0-9_-]+\??$`, "is not a kernel module", "such as ext4; several are separated by blanks")
	checkPartitionName = matches(`^[^\x00-\x1f]{1,36}$`, "is too long for a partition", "at most 36 characters")
	checkKernelVersion = matches(`^[A-Za-z0-9][A-Za-z0-9.+~_-]*$`, "is not the version of a kernel", "such as 6.1.0-28-amd64")
	checkHardware      = matches(`^vmx-[0-9]{2}$`, "is not a version of virtual hardware", "such as vmx-13; several are separated by blanks")
	checkGuest         = matches(`^[A-Za-z][A-Za-z0-9_]*$`, "is not the name of a guest system", "such as debian11_64Guest")
	checkOneLine       = matches(`^[^\x00-\x1f\x7f]*$`, "has control characters", "")
)

var mirrorPattern = lazyregexp.New(`^(https?://[!-Z\\^-~]+|file:///[!-Z\\^-~]*)$`)

// checkMirror refuses passwords too: the address is in the image's sources.list.
func checkMirror(v string) *flaw {
	hint := "it begins with http://, https:// or file:///"
	if !mirrorPattern().MatchString(v) || strings.Contains(v, `"`) {
		return &flaw{text: "is not the address of a mirror", hint: hint}
	}
	scheme, rest, _ := strings.Cut(v, "://")
	host, _, _ := strings.Cut(rest, "/")
	if i := strings.LastIndexByte(host, '@'); i >= 0 {
		return &flaw{
			text: "would put a user or password into the image",
			hint: "leave it out, and put the password into /etc/apt/auth.conf.d of the host",
			from: len(scheme) + len("://"), to: len(scheme) + len("://") + i,
			secret: true,
		}
	}
	if u, err := url.Parse(strings.ReplaceAll(v, "{snapshot}", "x")); err != nil || u.Host == "" && scheme != "file" {
		return &flaw{text: "is not the address of a mirror", hint: hint}
	}
	return nil
}

func checkSecurityMirror(v string) *flaw {
	if v == "none" {
		return nil
	}
	fl := checkMirror(v)
	if fl != nil && !fl.secret {
		fl.hint += "; none means no security mirror"
	}
	return fl
}

// partitionTypes are the names that pkg/disk/partition knows.
var partitionTypes = []string{
	"esp", "bios", "fat32", "fat16", "linux", "boot", "root-x86-64", "root-x86", "root-arm64", "root-arm", "root-riscv64",
	"root-x86-64-verity", "root-x86-verity", "root-arm64-verity", "root-arm-verity", "root-riscv64-verity",
	"home", "srv", "var", "swap", "lvm", "raid", "luks",
}

// partitionAttributes are the GPT attributes that pkg/disk/partition knows.
var partitionAttributes = []string{"required", "no-block-io", "legacy-boot", "grow", "read-only", "no-auto"}

var typeByte = lazyregexp.New(`^(0x)?[0-9A-Fa-f]{2}$`)

func isGUID(v string) bool {
	_, err := uuid.Parse(v)
	return err == nil
}

func checkGUID(v string) *flaw {
	if isGUID(v) {
		return nil
	}
	return &flaw{text: "is not a GUID", hint: "such as 4f68bce3-e8cd-4db1-96e7-fbcaf984b709"}
}

// checkUUID also allows the serial numbers of FAT.
func checkUUID(v string) *flaw {
	if _, err := uuid.ParseSerial(v); err == nil || isGUID(v) {
		return nil
	}
	return &flaw{text: "is not a UUID", hint: "such as 4f68bce3-e8cd-4db1-96e7-fbcaf984b709"}
}

func checkPartitionType(v string) *flaw {
	if slices.Contains(partitionTypes, v) || isGUID(v) || typeByte().MatchString(v) {
		return nil
	}
	return &flaw{text: "is not a partition type", hint: typeHint(v)}
}

// typeHint names the types that may be meant. A type that begins with the word is
// more likely than one that differs in a few letters: root is not boot.
func typeHint(v string) string {
	var longer []string
	for _, t := range partitionTypes {
		if strings.HasPrefix(t, v+"-") && !strings.HasSuffix(t, "-verity") {
			longer = append(longer, t)
		}
	}
	if len(longer) > 0 {
		return "it names the architecture: " + words.List(longer)
	}
	if _, hint := correct(v, partitionTypes); hint != "" {
		return hint
	}
	return "it is one of " + words.List(partitionTypes) + ", a GUID, or for mbr two hexadecimal digits"
}

func checkSnapshot(v string) *flaw {
	if _, err := time.Parse("20060102T150405Z", v); err != nil {
		return &flaw{text: "is not a time", hint: "such as 20250101T000000Z"}
	}
	return nil
}

func checkDuration(v string) *flaw {
	if d, err := time.ParseDuration(v); err != nil || d <= 0 {
		return &flaw{text: "is not a duration", hint: "such as 90s or 5m"}
	}
	return nil
}

func checkNumber(low, high int) check {
	return func(v string) *flaw {
		if n, err := strconv.Atoi(v); err != nil || n < low || n > high {
			return &flaw{text: "is not a number of " + strconv.Itoa(low) + " to " + strconv.Itoa(high)}
		}
		return nil
	}
}

// climbs reports whether a path leaves the directory that it starts from.
func climbs(p string) bool {
	depth := 0
	for part := range strings.SplitSeq(p, "/") {
		switch part {
		case "", ".":
		case "..":
			if depth--; depth < 0 {
				return true
			}
		default:
			depth++
		}
	}
	return false
}

// checkStagePath allows absolute paths inside a stage or file system.
func checkStagePath(v string) *flaw {
	switch {
	case !strings.HasPrefix(v, "/"):
		return &flaw{text: "is not an absolute path", hint: fmt.Sprintf("did you mean %s?", finding.QuoteValue("/"+v))}
	case climbs(v):
		return &flaw{text: "climbs out of the root with .."}
	}
	return checkOneLine(v)
}

// Generalized are the kinds of files that <generalize> removes: files that each
// machine has to make for itself, and files that are of use only to the machine
// that the image is built on.
var Generalized = []string{"host-keys", "machine-id", "seeds", "certificates", "logs", "caches", "backups"}

// checkExcept allows a kind of files, or an absolute path in the stage with a
// pattern.
func checkExcept(v string) *flaw {
	if strings.HasPrefix(v, "/") {
		return checkGlob(v)
	}
	if slices.Contains(Generalized, v) {
		return nil
	}
	_, hint := correct(v, Generalized)
	if hint == "" {
		hint = "one of " + words.List(Generalized) + ", or an absolute path"
	}
	return &flaw{text: "is not a kind of files to keep", hint: hint}
}

func checkCachePath(v string) *flaw {
	if path.Clean(v) == "/" {
		return &flaw{text: "is the root itself"}
	}
	return checkStagePath(v)
}

// checkHostPath allows files beside the declaration, and absolute ones.
func checkHostPath(v string) *flaw {
	if climbs(v) {
		return &flaw{text: "climbs out with ..", hint: "put the file beside the declaration, or write an absolute path"}
	}
	return checkOneLine(v)
}

func checkGlob(v string) *flaw {
	if _, err := path.Match(v, ""); err != nil {
		return &flaw{text: "is not a pattern", hint: "a bracket is open; \\[ stands for itself"}
	}
	return checkStagePath(v)
}

// checkGitURL refuses an address that git would take for an option or hand to a
// helper program.
func checkGitURL(v string) *flaw {
	scheme, _, _ := strings.Cut(v, "/")
	switch {
	case strings.HasPrefix(v, "-"):
		return &flaw{text: "begins with a dash"}
	case strings.ContainsAny(v, xmltext.Blanks):
		return &flaw{text: "has white space in it"}
	case strings.Contains(scheme, "::"):
		return &flaw{text: "names a remote helper", hint: "use git://, https:// or ssh://"}
	}
	if _, err := url.Parse(v); err != nil && strings.Contains(v, "://") {
		return &flaw{text: "is not a URL"}
	}
	return checkOneLine(v)
}

func checkRevision(v string) *flaw {
	switch {
	case strings.HasPrefix(v, "-"):
		return &flaw{text: "begins with a dash"}
	case strings.ContainsAny(v, xmltext.Blanks+"~^:?*[\\") || strings.Contains(v, ".."):
		return &flaw{text: "is not a revision", hint: "a commit id of 40 digits, or refs/tags/NAME"}
	}
	return checkOneLine(v)
}

func checkRepo(v string) *flaw {
	switch {
	case strings.HasPrefix(v, "-"):
		return &flaw{text: "begins with a dash"}
	case strings.ContainsAny(v, xmltext.Blanks):
		return &flaw{text: "has white space in it"}
	case path.Clean(v) == "." || climbs(v):
		return &flaw{text: "is not the name of a repository"}
	}
	return checkConf(v)
}

// checkConf refuses characters that have another meaning in bitbake's files.
func checkConf(v string) *flaw {
	if i := strings.IndexAny(v, "\"'\\`$"); i >= 0 {
		return &flaw{text: "has a character that bitbake would not take as it is", from: i, to: i + 1}
	}
	return checkOneLine(v)
}

func checkSubdir(v string) *flaw {
	if strings.HasPrefix(v, "/") || strings.HasPrefix(v, "-") || climbs(v) {
		return &flaw{text: "is not a directory of the layer", hint: "paths are relative to the layer's root"}
	}
	return checkConf(v)
}
