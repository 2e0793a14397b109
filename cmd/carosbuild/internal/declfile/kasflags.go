// SPDX-License-Identifier: MPL-2.0

package declfile

import (
	"github.com/spf13/pflag"

	"github.com/carosio/carosbuild/cmd/carosbuild/internal/cli"
)

// KasOptions are the names of the options of KasFlags.
var KasOptions = []string{"from", "base"}

// KasFlags defines the options for what a project of kas leaves open.
func KasFlags(a *cli.App, f *pflag.FlagSet) {
	f.StringVar(&a.Kas.From, "from", "", "image that bitbake runs in (default a Debian 12 with the programs that bitbake needs)")
	f.StringVar(&a.Kas.Base, "base", "", "name of the project's repository with oe-init-build-env, where the program cannot find it")
}

// HiddenKasFlags defines the same options but hides them in the help: most
// declarations do not use them.
func HiddenKasFlags(a *cli.App, f *pflag.FlagSet) {
	KasFlags(a, f)
	for _, name := range KasOptions {
		f.Lookup(name).Hidden = true
	}
}

// RemoteFlag defines --remote.
func RemoteFlag(f *pflag.FlagSet, remotes *[]string) {
	f.StringArrayVar(remotes, "remote", nil, "NAME=URL: fetch the git remote NAME, or addresses that begin with NAME, from this URL or directory; may be repeated")
}
