// SPDX-License-Identifier: MPL-2.0

package debian

// Event is one step of progress. The events of one Fetcher are sent one at a time.
type Event struct {
	Phase string // "resolve", "fetch" or "unpack"
	Item  string // name of the item: a suite's file, or a package
	Done  int64  // bytes so far, over all items of the phase
	Total int64  // bytes in total, 0 if not known
}
