// SPDX-License-Identifier: MPL-2.0

package userns

// Account is the account that calls the program.
type Account struct {
	UID, GID int
	Name     string // login name, may be empty
}

// Root reports whether the account is the superuser of its namespace.
func (a Account) Root() bool { return a.UID == 0 }

// stageVar is the environment variable with the progress of a program that is executed again.
const stageVar = "_CAROSBUILD_NAMESPACE"

// Its values.
const (
	stageWait       = "wait"        // the ids are not mapped yet
	stageWaitShared = "wait-shared" // not mapped either, and process ids are the caller's
	stageIn         = "in"          // in the namespaces
	stageShared     = "shared"      // in the namespaces, without one for process ids
	stagePlain      = "plain"       // without namespaces

	stageSharedRanges = "shared-ranges" // stageShared, with ranges of ids
)

// trialVar makes the inner program end as soon as it has arrived.
const trialVar = "_CAROSBUILD_TRIAL"

// Inside reports whether this process claims to have been started by Enter; Settle checks that.
func Inside(getenv func(string) string) bool { return getenv(stageVar) != "" }
