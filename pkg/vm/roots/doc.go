// SPDX-License-Identifier: MPL-2.0

// Package roots has snapshots that are directories of an account that need not have any
// privilege: their owners, modes, attributes and device nodes are in a table in memory
// (owner.Table), from the tar streams of their layers on and up to the stream of the layer
// that they become.
//
// What it leaves out: running anything in them. A command that is started there as it is
// sees the account's files, not those of the table.
package roots
