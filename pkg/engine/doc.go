// SPDX-License-Identifier: MPL-2.0

// Package engine runs a plan: a step whose key is on record is not run, the others
// change a snapshot, which becomes a layer. It prints nothing; it reports events.
package engine
