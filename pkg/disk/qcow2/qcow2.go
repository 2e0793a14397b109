// SPDX-License-Identifier: MPL-2.0

// Package qcow2 writes and reads QEMU's disk format, version 3, in one pass
// over the data: plain, and compressed with zlib or zstd. Backing files,
// snapshots, encryption and external data files are left out.
package qcow2
