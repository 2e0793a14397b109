// SPDX-License-Identifier: MPL-2.0

// Package engine runs a plan. A step whose key the cache has is not run; any other step
// changes a snapshot, which becomes a layer. It prints nothing; it reports events.
package engine
