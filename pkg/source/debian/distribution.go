// SPDX-License-Identifier: MPL-2.0

package debian

import (
	"path"
	"slices"
	"strings"
)

// distribution describes the origin of a suite: its public archives, and its keys.
type distribution struct {
	name   string
	title  string
	suites []string // code names and aliases, oldest first

	// The distribution's public aliases. They are the last resort if neither the
	// declaration, the environment nor the host's apt names a mirror, and they are
	// written to the result's sources.list if the declaration names none.
	mirror, security string
	ports            string // used instead of both on architectures other than amd64 and i386
	env, securityEnv string // environment variables that name other mirrors

	dirs, securityDirs []string // last part of the path of mirrors
	keyring            string   // file name without the extension
	keyringPackage     string   // package with this keyring
}

// The names of distributions.
const (
	debian = "debian"
	ubuntu = "ubuntu"
)

// distributions are the known ones. The first is also used for unknown suites.
func distributions() []distribution {
	return []distribution{{
		name: debian, title: "Debian",
		suites: []string{
			"wheezy", "jessie", "stretch", "buster", "bullseye", "bookworm", "trixie", "forky", "duke",
			"sid", "unstable", "experimental", "testing", "stable", "oldstable", "oldoldstable",
		},
		mirror: DefaultMirror, security: DefaultSecurityMirror,
		env: EnvMirror, securityEnv: EnvSecurityMirror,
		dirs: []string{"debian"}, securityDirs: []string{"debian-security"},
		keyring: "/usr/share/keyrings/debian-archive-keyring", keyringPackage: "debian-archive-keyring",
	}, {
		name: ubuntu, title: "Ubuntu",
		suites: []string{
			"trusty", "xenial", "bionic", "focal", "jammy", "lunar", "mantic", "noble", "oracular", "plucky", "questing", "resolute", "devel",
		},
		mirror: "http://archive.ubuntu.com/ubuntu", security: "http://security.ubuntu.com/ubuntu", ports: "http://ports.ubuntu.com/ubuntu-ports",
		env: EnvUbuntuMirror, securityEnv: EnvUbuntuSecurityMirror,
		dirs: []string{"ubuntu", "ubuntu-ports"}, securityDirs: []string{"ubuntu", "ubuntu-ports"},
		keyring: "/usr/share/keyrings/ubuntu-archive-keyring", keyringPackage: "ubuntu-keyring",
	}}
}

// distributionOf is the distribution that has the suite, and whether it is known.
func distributionOf(suite string) (distribution, bool) {
	base, _ := splitSuite(suite)
	all := distributions()
	if i := slices.IndexFunc(all, func(d distribution) bool { return slices.Contains(d.suites, base) }); i >= 0 {
		return all[i], true
	}
	return all[0], false
}

// KnownSuites are the names of the suites of all distributions.
func KnownSuites() []string {
	var names []string
	for _, d := range distributions() {
		names = append(names, d.suites...)
	}
	return names
}

// splitSuite splits off the suffix of a suite's name that denotes a part of it,
// such as -updates.
func splitSuite(suite string) (base, part string) {
	for _, part := range []string{"-proposed-updates", "-updates", "-security", "-backports-sloppy", "-backports", "-proposed", "/updates"} {
		if base, ok := strings.CutSuffix(suite, part); ok {
			return base, part
		}
	}
	return suite, ""
}

// public are the archives in the result's sources.list, for an architecture.
func (d distribution) public(arch string) (mirror, security string) {
	if d.ports != "" && arch != "amd64" && arch != "i386" {
		return d.ports, d.ports
	}
	return d.mirror, d.security
}

// suits reports whether a host's mirror has the architecture: Ubuntu keeps ports in
// separate archives.
func (d distribution) suits(mirror, arch string) bool {
	public, _ := d.public(arch)
	dir := path.Base(strings.TrimRight(mirror, "/"))
	return d.ports == "" || !slices.Contains(d.dirs, dir) || dir == path.Base(public)
}
