// SPDX-License-Identifier: MPL-2.0

// Package snapshot makes roots of the directories of layers: overlay mounts, or copies
// that are compared with the layers when what was changed is asked for. It tells which of
// them a place for a store carries.
//
// What it leaves out: which layers there are, and what becomes of the changes.
package snapshot
