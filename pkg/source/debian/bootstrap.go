// SPDX-License-Identifier: MPL-2.0

package debian

import (
	"fmt"
	"net/url"
	"runtime"
	"slices"
	"strings"

	"github.com/carosio/carosbuild/pkg/lazyregexp"
	"github.com/carosio/carosbuild/pkg/source/debian/field"
)

// Defaults for what a Bootstrap leaves out.
const (
	DefaultVariant = "minbase"

	// Debian's public alias has the security archive beside the main one.
	DefaultMirror         = "http://ftp.debian.org/debian"
	DefaultSecurityMirror = "http://ftp.debian.org/debian-security"

	// NoMirror as SecurityMirror leaves out the security archive.
	NoMirror = "none"

	snapshotMark = "{snapshot}"
)

// Bootstrap is what a declaration asks for. Suite is required.
type Bootstrap struct {
	Suite      string   `json:"suite"`               // code name or suite name, as under dists/
	Arch       string   `json:"arch,omitempty"`      // Debian architecture; "" is the program's own
	Variant    string   `json:"variant,omitempty"`   // one of Variants; "" is minbase
	Components []string `json:"components,omitzero"` // nil is main
	Packages   []string `json:"packages,omitzero"`   // further packages, each NAME, NAME:ARCH, NAME=VERSION or NAME:ARCH=VERSION

	Keyring        string `json:"keyring,omitempty"`         // path of an OpenPGP keyring; "" is the host's
	Mirror         string `json:"mirror,omitempty"`          // "" is the host's; may contain {snapshot}
	SecurityMirror string `json:"security_mirror,omitempty"` // likewise; "none" leaves it out
	Snapshot       string `json:"snapshot,omitempty"`        // yyyymmddThhmmssZ, replaces {snapshot} of the mirrors
}

var (
	suiteRE     = lazyregexp.New(`^[a-z0-9][a-z0-9.+-]*$`)
	componentRE = lazyregexp.New(`^[a-z0-9]+([./-][a-z0-9]+)*$`)
	snapshotRE  = lazyregexp.New(`^[0-9]{8}T[0-9]{6}Z$`)
)

// Variants are the known variants, the smallest first: essential has no apt, buildd
// has build-essential too.
func Variants() []string {
	return []string{"essential", "apt", "minbase", "required", "buildd", "important", "standard"}
}

// priorities are those that a variant takes in addition to Essential packages and
// apt. Packages beyond required are installed by apt inside the sandbox, as
// Packages are.
func (b Bootstrap) priorities() []string {
	switch b.variant() {
	case "essential", "apt":
		return nil
	case "important":
		return []string{"required", "important"}
	case "standard":
		return []string{"required", "important", "standard"}
	}
	return []string{"required"}
}

// Check reports every mistake in b, as Mistakes.
func (b Bootstrap) Check() error {
	var ms Mistakes
	bad := func(ok bool, attr, value, want string) {
		if !ok {
			ms = append(ms, &Mistake{Attr: attr, Value: value, Text: fmt.Sprintf("%s %q is not %s", attr, value, want)})
		}
	}
	bad(suiteRE().MatchString(b.Suite), "suite", b.Suite, "the name of a suite, such as bookworm")
	bad(b.Arch == "" || field.IsArch(b.Arch), "arch", b.Arch, "a Debian architecture such as amd64")
	bad(slices.Contains(Variants(), b.variant()), "variant", b.Variant, "one of "+strings.Join(Variants(), ", "))
	for _, c := range b.Components {
		bad(componentRE().MatchString(c), "components", c, "a component of an archive, such as main")
	}
	for _, p := range b.Packages {
		w, ok := parseWish(p)
		bad(ok, "packages", p, "a package: NAME, NAME:ARCH or NAME=VERSION")
		bad(!ok || w.arch == "" || b.variant() != "essential" || w.arch == b.arch(), "packages", p,
			"for the variant essential, which has no apt to install packages of another architecture")
	}
	bad(b.Snapshot == "" || snapshotRE().MatchString(b.Snapshot), "snapshot", b.Snapshot, "a time such as 20250101T000000Z")
	for _, m := range [...][2]string{{"mirror", b.Mirror}, {"security-mirror", b.SecurityMirror}} {
		if m[1] == "" || m[1] == NoMirror && m[0] == "security-mirror" {
			continue
		}
		if err := checkMirror(m[1]); err != nil {
			ms = append(ms, &Mistake{Attr: m[0], Value: m[1], Text: m[0] + " " + err.Error()})
		}
	}
	return ms.orNil()
}

// wish is a word of Packages.
type wish struct{ name, arch, version string } // arch and version may be ""

func parseWish(word string) (wish, bool) {
	name, version, pinned := strings.Cut(word, "=")
	name, arch, foreign := strings.Cut(name, ":")
	ok := field.IsPackage(name) && (!pinned || field.IsVersion(version)) && (!foreign || field.IsArch(arch))
	return wish{name, arch, version}, ok
}

// foreign are the architectures other than b's own for which packages are asked
// for.
func (b Bootstrap) foreign() []string {
	var list []string
	for _, p := range b.Packages {
		if w, _ := parseWish(p); w.arch != "" && w.arch != b.arch() && !slices.Contains(list, w.arch) {
			list = append(list, w.arch)
		}
	}
	return list
}

// checkMirror checks an address. The error continues a sentence that begins with
// the purpose of the address, and contains no password.
func checkMirror(raw string) error {
	u, err := url.Parse(strings.ReplaceAll(raw, snapshotMark, "x"))
	switch {
	case err != nil:
		return fmt.Errorf("is not an address")
	case u.User != nil:
		return fmt.Errorf("%q has a user or password in it, which would be in the image: "+
			"give them to the host's apt (apt_auth.conf), or the whole address in %s", withoutLogin(raw), EnvMirror)
	case u.Scheme == "file" && u.Host == "" && strings.HasPrefix(u.Path, "/"):
	case u.Scheme != "http" && u.Scheme != "https", u.Host == "":
		return fmt.Errorf("%q is not an http, https or file address", withoutLogin(raw))
	}
	if strings.ContainsFunc(raw, func(r rune) bool { return r <= ' ' || r == '"' || r == '[' || r > '~' }) {
		return fmt.Errorf("%q has a character that is not possible in a sources.list", withoutLogin(raw))
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

// Arch is Debian's name for an architecture of Go; 32-bit arm is armhf.
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
	Mirror   string // the same, but for Host.Vendored
	Public   string // what the result's sources.list names
	Security bool
	Updates  bool // may be absent
	Snapshot bool // Public names a snapshot, whose Valid-Until has passed
}

// archives lists the suites that b is made from: the suite itself, its updates and
// its security updates. Suites that are part of another one, unstable and
// experimental have neither.
func (b Bootstrap) archives(h Host) ([]archive, error) {
	list, err := b.suites(h)
	for i := range list {
		list[i].Mirror = list[i].URL
		if h.Vendored != "" {
			list[i].URL = vendoredURL(h.Vendored, list[i].Public)
		}
	}
	return list, err
}

func (b Bootstrap) suites(h Host) ([]archive, error) {
	d, _ := distributionOf(b.Suite)
	part := h.of(d)
	public, publicSecurity := d.public(b.arch())
	m, err := b.mirror("mirror", b.Mirror, *part.mirror, public, d)
	if err != nil {
		return nil, err
	}
	list := []archive{{Suite: b.Suite, URL: m.read, Public: m.public, Snapshot: m.old}}
	_, suffix := splitSuite(b.Suite)
	if suffix != "" || slices.Contains([]string{"sid", "unstable", "experimental"}, b.Suite) {
		return list, nil
	}
	list = append(list, archive{Suite: b.Suite + "-updates", URL: m.read, Public: m.public, Updates: true, Snapshot: m.old})
	if b.SecurityMirror == NoMirror || (b.SecurityMirror == "" && *part.security == NoMirror) {
		return list, nil
	}
	m, err = b.mirror("security-mirror", b.SecurityMirror, *part.security, publicSecurity, d)
	if err != nil {
		return nil, err
	}
	suite := b.Suite + "-security"
	if slices.Contains([]string{"buster", "stretch", "jessie"}, b.Suite) {
		suite = b.Suite + "/updates"
	}
	return append(list, archive{Suite: suite, URL: m.read, Public: m.public, Security: true, Snapshot: m.old}), nil
}

// place is the address of an archive.
type place struct {
	read, public string
	old          bool // public is a snapshot
}

// mirror chooses the address to read from and the address in the result. A declared
// mirror is used for both. Otherwise the host's is read and the result has the
// public alias, so that the result does not depend on the host. A directory of this
// machine counts as the host's, even if it is declared. Old states come from a
// mirror whose address has a place for the time.
func (b Bootstrap) mirror(attr, declared, host, alias string, d distribution) (place, error) {
	if !d.suits(host, b.arch()) {
		host = ""
	}
	m := place{read: declared, public: declared, old: b.Snapshot != "" && declared != ""}
	if declared == "" {
		m.read, m.public = host, alias
	} else if _, known := distributionOf(b.Suite); known && isFile(declared) {
		m.public, m.old = alias, false
	}
	if m.read == "" {
		m.read = alias
	}
	if err := checkMirror(m.read); err != nil {
		return m, fmt.Errorf("the host's %s %w", attr, err)
	}
	mistake := &Mistake{Attr: attr, Value: declared}
	switch template := strings.Contains(m.read, snapshotMark); {
	case b.Snapshot != "" && !template && declared == "":
		mistake.Attr, mistake.Value = "snapshot", b.Snapshot
		mistake.Text = fmt.Sprintf("snapshot %q needs a %s with %s in its address, which stands for the time", b.Snapshot, attr, snapshotMark)
		mistake.Hint = fmt.Sprintf(`such as %s="http://snapshots.example.org/archive/debian/%s"`, attr, snapshotMark)
		return m, mistake
	case b.Snapshot != "" && !template:
		mistake.Text = fmt.Sprintf("%s %q of a bootstrap with a snapshot has no %s, which stands for its time", attr, declared, snapshotMark)
		return m, mistake
	case b.Snapshot == "" && template:
		mistake.Text = fmt.Sprintf("%s %q has a %s, but there is no snapshot", attr, m.read, snapshotMark)
		mistake.Hint = `write snapshot="20250101T000000Z", say`
		return m, mistake
	}
	fill := strings.NewReplacer(snapshotMark, b.Snapshot)
	m.read, m.public = strings.TrimRight(fill.Replace(m.read), "/"), strings.TrimRight(fill.Replace(m.public), "/")
	return m, nil
}

// isFile reports whether a mirror is a directory of this machine.
func isFile(address string) bool { return strings.HasPrefix(address, "file:") }

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
