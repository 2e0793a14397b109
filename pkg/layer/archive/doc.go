// SPDX-License-Identifier: MPL-2.0

// Package archive makes directories of tar streams, and tar streams of the upper
// directories of overlay mounts. Apply takes streams of anybody: nothing in one
// can reach outside of its directory. A tar-split (github.com/vbatts/tar-split)
// records what a directory does not hold, so that Assemble gives the same bytes
// back.
//
// It needs what only Linux has, such as openat2; elsewhere the package is empty.
//
// Where the directories are, and what they are based on, the caller says.
package archive
