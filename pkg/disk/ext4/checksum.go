// This Source Code Form is subject to the terms of the Mozilla Public
// License, v. 2.0. If a copy of the MPL was not distributed with this
// file, You can obtain one at https://mozilla.org/MPL/2.0/.

package ext4

import "hash/crc32"

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// crc32c continues sum over p, as the kernel does: start with all ones, no
// inversion at the end.
func crc32c(sum uint32, p []byte) uint32 { return ^crc32.Update(^sum, castagnoli, p) }

// crc32cUint32 continues sum over v in little endian.
func crc32cUint32(sum, v uint32) uint32 {
	var p [4]byte
	le.PutUint32(p[:], v)
	return crc32c(sum, p[:])
}

// inodeSeed starts the checksums of an inode, its directory blocks and its
// extent blocks. Generations are 0.
func inodeSeed(seed, ino uint32) uint32 { return crc32cUint32(crc32cUint32(seed, ino), 0) }
