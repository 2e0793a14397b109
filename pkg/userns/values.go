// SPDX-License-Identifier: MPL-2.0

package userns

// Account is who calls the program.
type Account struct {
	UID, GID int
	Name     string // login name, may be empty
}

// Root reports whether the account is the superuser of its namespace.
func (a Account) Root() bool { return a.UID == 0 }

// The environment variable that carries how far a re-executed program is:
// "wait" until the ids are mapped, then "in".
const stageVar = "_CAROSBUILD_NAMESPACE"

// Inside reports whether this process says that it was started by Enter; Settle
// finds out whether that is true.
func Inside(getenv func(string) string) bool { return getenv(stageVar) != "" }
