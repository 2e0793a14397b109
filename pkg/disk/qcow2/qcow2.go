// This Source Code Form is subject to the terms of the Mozilla Public
// License, v. 2.0. If a copy of the MPL was not distributed with this
// file, You can obtain one at https://mozilla.org/MPL/2.0/.

// Package qcow2 writes and reads QEMU's disk format, version 3, in one pass
// over the data: plain, and compressed with zlib or zstd. Backing files,
// snapshots, encryption and external data files are left out.
package qcow2
