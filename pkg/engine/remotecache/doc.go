// SPDX-License-Identifier: MPL-2.0

// Package remotecache gives a build what other machines have done: an engine.Cache over
// that of this machine and places that several machines share. What is found there stays
// there until a step needs it; what is done here is written there while the build goes
// on. A place that fails, or that has what it should not, costs a warning and the time to
// do the steps here, never a wrong result.
package remotecache
