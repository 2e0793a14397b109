// SPDX-License-Identifier: MPL-2.0

package main

import (
	"github.com/spf13/pflag"
)

// kasOptions are the names of kasFlags.
var kasOptions = []string{"from", "base"}

// kasFlags are those that say what a project of kas leaves open.
func (a *app) kasFlags(f *pflag.FlagSet) {
	f.StringVar(&a.kas.from, "from", "", "image that bitbake runs in (default a Debian 12 with the programs that bitbake needs)")
	f.StringVar(&a.kas.base, "base", "", "name of the project's repository with oe-init-build-env, where it cannot be told")
}

// hiddenKasFlags are kasFlags, out of the help: most declarations have no use
// for them.
func (a *app) hiddenKasFlags(f *pflag.FlagSet) {
	a.kasFlags(f)
	for _, name := range kasOptions {
		f.Lookup(name).Hidden = true
	}
}

// remoteFlag defines --remote.
func remoteFlag(f *pflag.FlagSet, remotes *[]string) {
	f.StringArrayVar(remotes, "remote", nil, "NAME=URL: take the git remote NAME, or addresses that begin so, from this address or directory; may be repeated")
}
