// This Source Code Form is subject to the terms of the Mozilla Public
// License, v. 2.0. If a copy of the MPL was not distributed with this
// file, You can obtain one at https://mozilla.org/MPL/2.0/.

package debian

import (
	"fmt"
	"path"
	"strings"

	"github.com/carosio/carosbuild/pkg/debfile"
)

// Where the sandbox shows what is bound into it.
const (
	RunDir    = "/run/carosbuild"
	DebsMount = RunDir + "/debs" // Fetcher.DebsDir, read-only, for InstallScript
	AptConfig = RunDir + "/apt.conf"

	installConfig = RunDir + "/bootstrap.conf"
	installList   = RunDir + "/bootstrap.list"
	installIndex  = RunDir + "/Packages"
	scratch       = "/tmp/carosbuild-apt"
)

// InstallScript is a POSIX shell script that installs the Extra packages with
// the result's own apt, which knows in which order their scripts must run. It
// is "" if there are none. It runs as ConfigureScript does, after it, with
// InstallFiles and DebsMount bound, and needs no network: apt sees a repository
// of just those packages, whose index entries and hashes were verified by
// Resolve, and can choose nothing else.
func (r *Resolution) InstallScript() string {
	extras := r.extras()
	if len(extras) == 0 {
		return ""
	}
	words := make([]string, len(extras))
	for i, p := range extras {
		words[i] = p.Name + "=" + p.Version
	}
	var b strings.Builder
	b.WriteString(scriptHead)
	fmt.Fprintf(&b, "export APT_CONFIG=%s\n", installConfig)
	fmt.Fprintf(&b, "mkdir -p %s/lists/partial %s/cache/archives/partial\n", scratch, scratch)
	b.WriteString("apt-get -q update </dev/null\n")
	fmt.Fprintf(&b, "apt-get -q -y install %s </dev/null\n", strings.Join(words, " "))
	fmt.Fprintf(&b, "rm -rf %s\n", scratch)
	fmt.Fprintf(&b, "cat >/var/lib/apt/extended_states <<'END'\n%sEND\n", r.extendedStates(r.Packages))
	b.WriteString(scriptTail)
	return b.String()
}

// InstallFiles are the files that InstallScript needs, by absolute path.
func (r *Resolution) InstallFiles() map[string]string {
	var index strings.Builder
	for _, p := range r.extras() {
		s, err := debfile.ParseStanza(p.Stanza)
		if err != nil { // Resolve has parsed it
			continue
		}
		for i := range s {
			if strings.EqualFold(s[i].Name, "Filename") {
				s[i].Value = "./" + path.Base(DebsMount) + "/" + p.SHA256 + ".deb"
			}
		}
		index.WriteString(s.String() + "\n")
	}
	return map[string]string{
		installIndex: index.String(),
		installList:  fmt.Sprintf("deb [trusted=yes] file:%s ./\n", RunDir),
		installConfig: fmt.Sprintf(`Dir::Etc::sourcelist "%s";
Dir::Etc::sourceparts "/dev/null";
Dir::State::lists "%s/lists";
Dir::Cache "%s/cache";
Dir::Cache::pkgcache "";
Dir::Cache::srcpkgcache "";
Acquire::Languages "none";
APT::Architecture "%s";
APT::Install-Recommends "false";
APT::Sandbox::User "root";
DPkg::Options { "--force-unsafe-io"; };
DPkg::Use-Pty "false";
`, installList, scratch, scratch, r.Arch),
	}
}

// AptFiles are files, by absolute path, that let apt inside a stage use the
// host's mirrors, proxy and date checks while an image is built, without a
// trace in the image: bind them and set APT_CONFIG to AptConfig. Sources in
// the image's sources.list.d stay in force.
func (b Bootstrap) AptFiles(h Host) (map[string]string, error) {
	archives, err := b.archives(h)
	if err != nil {
		return nil, err
	}
	list := RunDir + "/sources.list"
	var conf strings.Builder
	fmt.Fprintf(&conf, "Dir::Etc::sourcelist \"%s\";\n", list)
	for _, o := range []struct{ name, value string }{
		{"Acquire::http::Proxy", h.HTTPProxy},
		{"Acquire::https::Proxy", h.HTTPSProxy},
		{"Acquire::Check-Valid-Until", falseIf(h.IgnoreValidUntil || b.Snapshot != "")},
		{"Acquire::Check-Date", falseIf(h.IgnoreDate)},
	} {
		if strings.ContainsAny(o.value, "\"\n\\") {
			return nil, fmt.Errorf("the host's %s holds a character that an apt configuration cannot", o.name)
		}
		if o.value != "" {
			fmt.Fprintf(&conf, "%s \"%s\";\n", o.name, o.value)
		}
	}
	for _, host := range h.NoProxy {
		if packageRE.MatchString(host) {
			fmt.Fprintf(&conf, "Acquire::http::Proxy::%s \"DIRECT\";\nAcquire::https::Proxy::%s \"DIRECT\";\n", host, host)
		}
	}
	return map[string]string{
		AptConfig: conf.String(),
		list:      b.sourcesList(archives, func(a archive) string { return a.URL }),
	}, nil
}

func falseIf(b bool) string {
	if b {
		return "false"
	}
	return ""
}
