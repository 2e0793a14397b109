// SPDX-License-Identifier: MPL-2.0

package ext4

import "hash/crc32"

// sums reports whether metadata has checksums (metadata_csum). Otherwise only group
// descriptors have one, of another kind (gdt_csum).
func (l *layout) sums() bool { return !l.opts.Compat }

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// crc32c continues sum with p, as the kernel does: it starts with all ones, and is
// not inverted at the end.
func crc32c(sum uint32, p []byte) uint32 { return ^crc32.Update(^sum, castagnoli, p) }

// crc32cUint32 continues sum with v in little endian.
func crc32cUint32(sum, v uint32) uint32 {
	var p [4]byte
	le.PutUint32(p[:], v)
	return crc32c(sum, p[:])
}

// inodeSeed is the start value for the checksums of an inode, its directory blocks
// and its extent blocks. Generations are 0.
func inodeSeed(seed, ino uint32) uint32 { return crc32cUint32(crc32cUint32(seed, ino), 0) }

// crc16 continues sum with p, using the polynomial x^16+x^15+x^2+1 from the lowest
// bit on (the kernel's lib/crc16.c).
func crc16(sum uint16, p []byte) uint16 {
	for _, b := range p {
		sum ^= uint16(b)
		for range 8 {
			sum = sum>>1 ^ 0xa001*(sum&1)
		}
	}
	return sum
}

// descSum is the checksum of a group descriptor, whose checksum field is still zero
// (ext4_group_desc_csum).
func (l *layout) descSum(group int64, p []byte) uint16 {
	if l.sums() {
		return uint16(crc32c(crc32cUint32(l.seed, uint32(group)), p))
	}
	sum := crc16(0xffff, l.opts.UUID[:])
	sum = crc16(sum, le.AppendUint32(nil, uint32(group)))
	return crc16(sum, p[:descChecksum])
}
