// SPDX-License-Identifier: MPL-2.0

package userns

// Account is who calls the program.
type Account struct {
	UID, GID int
	Name     string // login name, may be empty
}

// Root reports whether the account is the superuser of its namespace.
func (a Account) Root() bool { return a.UID == 0 }

// The environment variable that carries how far a re-executed program is.
const stageVar = "_CAROSBUILD_NAMESPACE"

// Its values.
const (
	stageWait       = "wait"        // the ids are not mapped yet
	stageWaitShared = "wait-shared" // nor are they, and process ids are the caller's
	stageIn         = "in"          // in the namespaces
	stageShared     = "shared"      // in the namespaces, but for process ids
	stagePlain      = "plain"       // there are none

	stageSharedRanges = "shared-ranges" // stageShared, with ranges of ids
)

// trialVar has the inner program end as soon as it has arrived.
const trialVar = "_CAROSBUILD_TRIAL"

// Inside reports whether this process says that it was started by Enter; Settle
// finds out whether that is true.
func Inside(getenv func(string) string) bool { return getenv(stageVar) != "" }
