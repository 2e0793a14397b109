// SPDX-License-Identifier: MPL-2.0

package debian

import (
	"fmt"
	"path"
	"strings"

	"github.com/carosio/carosbuild/pkg/debfile"
)

// Mount points in the sandbox.
const (
	RunDir    = "/run/carosbuild"
	DebsMount = RunDir + "/debs" // Fetcher.DebsDir, read-only, for InstallScript
	AptConfig = RunDir + "/apt.conf"

	installConfig = RunDir + "/bootstrap.conf"
	installList   = RunDir + "/bootstrap.list"
	installIndex  = RunDir + "/Packages"
	scratch       = "/tmp/carosbuild-apt"
)

// InstallScript is a POSIX shell script that installs the Extra packages with the
// result's own apt, which determines the order of their scripts. It is "" if there
// are none. It runs in the same way as ConfigureScript, after it, with InstallFiles
// and DebsMount mounted, and needs no network: apt gets a repository of only these
// packages, whose index entries and hashes were verified by Resolve, and has no
// other choice.
func (r *Resolution) InstallScript() string {
	extras := r.extras()
	if len(extras) == 0 {
		return ""
	}
	words := make([]string, len(extras))
	for i, p := range extras {
		words[i] = r.qualified(p) + "=" + p.Version
	}
	var b strings.Builder
	b.WriteString(scriptHead)
	fmt.Fprintf(&b, "export APT_CONFIG=%s\n", installConfig)
	for _, arch := range r.Foreign {
		fmt.Fprintf(&b, "dpkg --add-architecture %s\n", arch)
	}
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
		if err != nil { // Resolve has already parsed it
			continue
		}
		for i := range s {
			if strings.EqualFold(s[i].Name, "Filename") {
				s[i].Value = "./" + path.Base(DebsMount) + "/" + p.Sum + ".deb"
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
