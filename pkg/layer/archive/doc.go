// This Source Code Form is subject to the terms of the Mozilla Public
// License, v. 2.0. If a copy of the MPL was not distributed with this
// file, You can obtain one at https://mozilla.org/MPL/2.0/.

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
