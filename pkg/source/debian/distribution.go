// SPDX-License-Identifier: MPL-2.0

package debian

import (
	"path"
	"slices"
	"strings"
)

// distribution is whose packages a suite has: where its public archives are,
// and how it signs.
type distribution struct {
	name   string
	title  string
	suites []string // code names and aliases, oldest first

	// The distribution's public alias, the last resort when neither the
	// declaration, the environment nor the host's apt names a mirror, and what
	// the result's sources.list names when the declaration does not.
	mirror, security string
	ports            string // instead of both, for architectures beside amd64 and i386
	env, securityEnv string // variables that name others

	dirs, securityDirs []string // last part of the path of mirrors
	keyring            string   // file without its ending
	keyringPackage     string   // which has it
}

// The names of distributions.
const (
	debian = "debian"
	ubuntu = "ubuntu"
)

// distributions are those known. The first one stands for what is unknown, too.
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

// distributionOf is the one that has the suite, and whether it is known.
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

// splitSuite takes from a suite's name what stands for a part of it, such as
// -updates.
func splitSuite(suite string) (base, part string) {
	for _, part := range []string{"-proposed-updates", "-updates", "-security", "-backports-sloppy", "-backports", "-proposed", "/updates"} {
		if base, ok := strings.CutSuffix(suite, part); ok {
			return base, part
		}
	}
	return suite, ""
}

// public are the archives that results name, for an architecture.
func (d distribution) public(arch string) (mirror, security string) {
	if d.ports != "" && arch != "amd64" && arch != "i386" {
		return d.ports, d.ports
	}
	return d.mirror, d.security
}

// suits reports whether the mirror of a host has the architecture: Ubuntu keeps
// ports in separate archives.
func (d distribution) suits(mirror, arch string) bool {
	public, _ := d.public(arch)
	dir := path.Base(strings.TrimRight(mirror, "/"))
	return d.ports == "" || !slices.Contains(d.dirs, dir) || dir == path.Base(public)
}
