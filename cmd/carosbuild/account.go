// SPDX-License-Identifier: MPL-2.0

package main

import (
	"os"
	"os/user"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/carosio/carosbuild/pkg/userns"
)

// account is who calls, inside the namespaces too.
func (a *app) account() userns.Account {
	if userns.Inside(a.getenv) {
		uid, _ := strconv.Atoi(a.getenv("_CONTAINERS_ROOTLESS_UID"))
		return userns.Account{UID: uid}
	}
	acc := userns.Account{UID: os.Getuid(), GID: os.Getgid()}
	if u, err := user.Current(); err == nil {
		acc.Name = u.Username
	}
	return acc
}

// owner is whom builds are noted for: the person behind sudo, else the account.
// It is the same inside of the namespaces, where the program is another uid.
func (a *app) owner() string {
	uid := a.account().UID
	if name := a.getenv("SUDO_USER"); name != "" && uid == 0 {
		return name
	}
	if u, err := user.LookupId(strconv.Itoa(uid)); err == nil {
		return u.Username
	}
	if name := a.getenv("USER"); name != "" { // of an account that /etc/passwd does not have
		return name
	}
	return strconv.Itoa(uid)
}

// whose says in a message which builds were looked at.
func (a *app) whose() string {
	if a.foreign {
		return "anybody"
	}
	return a.owner()
}

// visible is the user whose builds a command sees, "" for everybody's.
func (a *app) visible() string {
	if a.foreign {
		return ""
	}
	return a.owner()
}

// foreignFlag lets a command see builds of others in the same store.
func (a *app) foreignFlag(cmd *cobra.Command) {
	cmd.Flags().BoolVarP(&a.foreign, "foreign", "f", false, "see the builds of others in this store, too")
}
