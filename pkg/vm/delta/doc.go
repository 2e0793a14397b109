// SPDX-License-Identifier: MPL-2.0

// Package delta finds out what is different in a tree from what it was before, by metadata
// and content, and writes the difference as a layer of an image or into a directory.
package delta
