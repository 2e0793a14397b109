// SPDX-License-Identifier: MPL-2.0

// Package roots has snapshots that are directories of an unprivileged account: their owners,
// modes, attributes and device nodes are in a table in memory (owner.Table), which is filled
// from the tar streams of their layers and written to the stream of the new layer.
//
// It does not run commands in them. A command started there directly sees the account's
// files, not the metadata in the table.
package roots
