// SPDX-License-Identifier: MPL-2.0

// Package snapshot makes root directories from the directories of layers: overlay mounts,
// or copies, which are compared with the layers to find changes. It finds out which of
// these a place for a store supports.
//
// It does not know which layers exist, or what becomes of the changes.
package snapshot
