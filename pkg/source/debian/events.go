// SPDX-License-Identifier: MPL-2.0

package debian

// Event is one step of progress. Events of one Fetcher come one at a time.
type Event struct {
	Phase string // "resolve", "fetch" or "unpack"
	Item  string // what was worked on: a suite's file, or a package
	Done  int64  // bytes so far, over all items of the phase
	Total int64  // bytes in all, 0 where not known
}
