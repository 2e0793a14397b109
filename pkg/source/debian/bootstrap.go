// This Source Code Form is subject to the terms of the Mozilla Public
// License, v. 2.0. If a copy of the MPL was not distributed with this
// file, You can obtain one at https://mozilla.org/MPL/2.0/.

package debian

import (
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"runtime"
	"slices"
	"strings"
)

// Defaults of a Bootstrap that says nothing else.
const (
	DefaultVariant = "minbase"

	// The distribution's public alias, the last resort when neither the
	// declaration, the environment nor the host's apt names a mirror, and
	// what the result's sources.list names when the declaration does not.
	// The alias carries the security archive beside the main one.
	DefaultMirror         = "http://ftp.debian.org/debian"
	DefaultSecurityMirror = "http://ftp.debian.org/debian-security"

	// NoMirror as SecurityMirror does without the security archive.
	NoMirror = "none"

	snapshotMark = "{snapshot}"
)

// Bootstrap is what a declaration asks for. Suite is obligatory.
type Bootstrap struct {
	Suite      string   // code name or suite name, as under dists/
	Arch       string   // Debian architecture; "" is that of the program
	Variant    string   // apt, minbase, required, buildd, important, standard; "" is minbase
	Components []string // nil is main
	Packages   []string // further packages, each NAME or NAME=VERSION

	Keyring        string // path of an OpenPGP keyring; "" is the host's
	Mirror         string // "" is the host's; may hold {snapshot}
	SecurityMirror string // likewise; "none" does without
	Snapshot       string // yyyymmddThhmmssZ, replaces {snapshot} of the mirrors
}

var (
	suiteRE     = regexp.MustCompile(`^[a-z0-9][a-z0-9.+-]*$`)
	archRE      = regexp.MustCompile(`^[a-z0-9][a-z0-9-]*$`)
	componentRE = regexp.MustCompile(`^[a-z0-9][a-z0-9/-]*$`)
	packageRE   = regexp.MustCompile(`^[a-z0-9][a-z0-9+.-]*$`)
	versionRE   = regexp.MustCompile(`^[0-9][A-Za-z0-9.+~:-]*$`)
	snapshotRE  = regexp.MustCompile(`^[0-9]{8}T[0-9]{6}Z$`)
)

// variants are the names known, with the priorities that a variant takes
// besides Essential packages and apt. Those beyond required are installed by
// apt inside the sandbox, as Packages are.
func variants() map[string][]string {
	return map[string][]string{
		"apt":       nil,
		"minbase":   {"required"},
		"required":  {"required"},
		"buildd":    {"required"},
		"important": {"required", "important"},
		"standard":  {"required", "important", "standard"},
	}
}

// Check reports every mistake in b, joined.
func (b Bootstrap) Check() error {
	var errs []error
	bad := func(ok bool, attr, value, want string) {
		if !ok {
			errs = append(errs, fmt.Errorf("%s %q: want %s", attr, value, want))
		}
	}
	bad(suiteRE.MatchString(b.Suite), "suite", b.Suite, "a Debian suite such as bookworm")
	bad(b.Arch == "" || archRE.MatchString(b.Arch), "arch", b.Arch, "a Debian architecture such as amd64")
	_, known := variants()[b.variant()]
	bad(known, "variant", b.Variant, "one of apt, minbase, required, buildd, important, standard")
	for _, c := range b.Components {
		bad(componentRE.MatchString(c), "components", c, "archive components such as main")
	}
	for _, p := range b.Packages {
		name, version, pinned := strings.Cut(p, "=")
		bad(packageRE.MatchString(name) && (!pinned || versionRE.MatchString(version)),
			"packages", p, "NAME or NAME=VERSION")
	}
	bad(b.Snapshot == "" || snapshotRE.MatchString(b.Snapshot), "snapshot", b.Snapshot, "yyyymmddThhmmssZ")
	if b.Mirror == NoMirror {
		bad(false, "mirror", b.Mirror, "an http or https address")
	}
	for _, m := range [...][2]string{{"mirror", b.Mirror}, {"security-mirror", b.SecurityMirror}} {
		if m[1] != "" && m[1] != NoMirror {
			bad(checkMirror(m[1]) == nil, m[0], m[1], "an http or https address")
		}
	}
	return errors.Join(errs...)
}

func checkMirror(raw string) error {
	u, err := url.Parse(strings.ReplaceAll(raw, snapshotMark, "x"))
	switch {
	case err != nil:
		return err
	case u.Scheme != "http" && u.Scheme != "https", u.Host == "":
		return fmt.Errorf("mirror %q is not an http or https address", u.Redacted())
	case strings.ContainsFunc(raw, func(r rune) bool { return r <= ' ' || r == '"' || r == '[' || r > '~' }):
		return fmt.Errorf("mirror %q holds a character that a sources.list cannot", u.Redacted())
	}
	return nil
}

func (b Bootstrap) variant() string {
	if b.Variant == "" {
		return DefaultVariant
	}
	return b.Variant
}

func (b Bootstrap) arch() string {
	if b.Arch == "" {
		return Arch(runtime.GOARCH)
	}
	return b.Arch
}

func (b Bootstrap) components() []string {
	if len(b.Components) == 0 {
		return []string{"main"}
	}
	return b.Components
}

// Arch is Debian's name of an architecture of Go; 32-bit arm is armhf.
func Arch(goarch string) string {
	switch goarch {
	case "386":
		return "i386"
	case "arm":
		return "armhf"
	case "ppc64le":
		return "ppc64el"
	case "mips64le":
		return "mips64el"
	}
	return goarch
}

// archive is one suite of one mirror.
type archive struct {
	Suite    string
	URL      string // where it is read from, no slash at the end
	Public   string // what the result's sources.list names
	Security bool
	Snapshot bool // Public names a snapshot, whose Valid-Until has passed
}

// archives lists the suites that b is made of: the suite itself, its updates
// and its security updates. unstable and experimental have neither.
func (b Bootstrap) archives(h Host) ([]archive, error) {
	mirror, public, err := b.mirror("mirror", b.Mirror, h.Mirror, DefaultMirror)
	if err != nil {
		return nil, err
	}
	declared := b.Snapshot != "" && b.Mirror != ""
	list := []archive{{Suite: b.Suite, URL: mirror, Public: public, Snapshot: declared}}
	if slices.Contains([]string{"sid", "unstable", "experimental"}, b.Suite) {
		return list, nil
	}
	list = append(list, archive{Suite: b.Suite + "-updates", URL: mirror, Public: public, Snapshot: declared})
	if b.SecurityMirror == NoMirror || (b.SecurityMirror == "" && h.SecurityMirror == NoMirror) {
		return list, nil
	}
	mirror, public, err = b.mirror("security-mirror", b.SecurityMirror, h.SecurityMirror, DefaultSecurityMirror)
	if err != nil {
		return nil, err
	}
	suite := b.Suite + "-security"
	if slices.Contains([]string{"buster", "stretch", "jessie"}, b.Suite) {
		suite = b.Suite + "/updates"
	}
	declared = b.Snapshot != "" && b.SecurityMirror != ""
	return append(list, archive{Suite: suite, URL: mirror, Public: public, Security: true, Snapshot: declared}), nil
}

// mirror picks where to read from and what the result names: the declared one
// for both, else the host's for reading and the public alias for the result,
// so that the result does not depend on the host.
func (b Bootstrap) mirror(attr, declared, host, alias string) (read, public string, err error) {
	read, public = declared, declared
	if declared == "" {
		read, public = host, alias
	}
	if read == "" {
		read = alias
	}
	if err := checkMirror(read); err != nil {
		return "", "", fmt.Errorf("attribute %s: %w", attr, err)
	}
	template := strings.Contains(read, snapshotMark)
	switch {
	case b.Snapshot != "" && !template:
		return "", "", fmt.Errorf("attribute snapshot needs a %s with %s in it, declared or from the environment (%s)",
			attr, snapshotMark, envOf(attr))
	case b.Snapshot == "" && template:
		return "", "", fmt.Errorf("%s holds %s, but attribute snapshot is not set", attr, snapshotMark)
	}
	fill := strings.NewReplacer(snapshotMark, b.Snapshot)
	return strings.TrimRight(fill.Replace(read), "/"), strings.TrimRight(fill.Replace(public), "/"), nil
}

func envOf(attr string) string {
	if attr == "mirror" {
		return EnvMirror
	}
	return EnvSecurityMirror
}

// sourcesList is the result's /etc/apt/sources.list.
func (b Bootstrap) sourcesList(list []archive, address func(archive) string) string {
	var s strings.Builder
	for _, a := range list {
		option := ""
		if a.Snapshot {
			option = "[check-valid-until=no] "
		}
		fmt.Fprintf(&s, "deb %s%s %s %s\n", option, address(a), a.Suite, strings.Join(b.components(), " "))
	}
	return s.String()
}
