// SPDX-License-Identifier: MPL-2.0

// Package delta compares a tree with its former state, by metadata and content, and writes
// the difference as a layer of an image or to a directory.
package delta
