// SPDX-License-Identifier: MPL-2.0

package cli

import (
	"os"
	"os/user"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/carosio/carosbuild/pkg/userns"
)

// Account is the calling account, also inside the namespaces.
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

// Owner is the account that builds are noted for: the person behind sudo, else the
// account itself. It is the same inside the namespaces, where the program has
// another uid.
func (a *App) Owner() string {
	uid := a.Account().UID
	if name := a.Getenv("SUDO_USER"); name != "" && uid == 0 {
		return name
	}
	if u, err := user.LookupId(strconv.Itoa(uid)); err == nil {
		return u.Username
	}
	if name := a.Getenv("USER"); name != "" { // the account is not in /etc/passwd
		return name
	}
	return strconv.Itoa(uid)
}

// Whose says in a message which builds were considered.
func (a *App) Whose() string {
	if a.Foreign {
		return "any user"
	}
	return a.Owner()
}

// Visible is the user whose builds a command sees, or "" for those of all users.
func (a *App) Visible() string {
	if a.Foreign {
		return ""
	}
	return a.Owner()
}

// ForeignFlag lets a command see builds of other users in the same store.
func (a *App) ForeignFlag(cmd *cobra.Command) {
	cmd.Flags().BoolVarP(&a.Foreign, "foreign", "f", false, "include the builds of other users of this store")
}
