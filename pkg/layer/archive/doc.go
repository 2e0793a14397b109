// SPDX-License-Identifier: MPL-2.0

// Package archive makes directories from tar streams, and tar streams from the upper
// directories of overlay mounts. Apply takes untrusted streams: nothing in one can reach
// outside its directory. A tar-split (github.com/vbatts/tar-split) records what a
// directory does not hold, so that Assemble writes the same bytes again.
//
// It needs Linux, for example for openat2; elsewhere the package is empty.
//
// The caller says where the directories are, and which layers are below them.
package archive
