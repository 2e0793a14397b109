// SPDX-License-Identifier: MPL-2.0

package cli

import (
	"os"
	"os/user"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/carosio/carosbuild/pkg/userns"
)

// Account is who calls, inside the namespaces too.
func (a *App) Account() userns.Account {
	if userns.Inside(a.Getenv) {
		uid, _ := strconv.Atoi(a.Getenv("_CONTAINERS_ROOTLESS_UID"))
		return userns.Account{UID: uid}
	}
	acc := userns.Account{UID: os.Getuid(), GID: os.Getgid()}
	if u, err := user.Current(); err == nil {
		acc.Name = u.Username
	}
	return acc
}

// Owner is whom builds are noted for: the person behind sudo, else the account.
// It is the same inside of the namespaces, where the program is another uid.
func (a *App) Owner() string {
	uid := a.Account().UID
	if name := a.Getenv("SUDO_USER"); name != "" && uid == 0 {
		return name
	}
	if u, err := user.LookupId(strconv.Itoa(uid)); err == nil {
		return u.Username
	}
	if name := a.Getenv("USER"); name != "" { // of an account that /etc/passwd does not have
		return name
	}
	return strconv.Itoa(uid)
}

// Whose says in a message which builds were looked at.
func (a *App) Whose() string {
	if a.Foreign {
		return "any user"
	}
	return a.Owner()
}

// Visible is the user whose builds a command sees, "" for everybody's.
func (a *App) Visible() string {
	if a.Foreign {
		return ""
	}
	return a.Owner()
}

// ForeignFlag lets a command see builds of others in the same store.
func (a *App) ForeignFlag(cmd *cobra.Command) {
	cmd.Flags().BoolVarP(&a.Foreign, "foreign", "f", false, "include the builds of other users of this store")
}
