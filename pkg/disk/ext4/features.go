// SPDX-License-Identifier: MPL-2.0

package ext4

import (
	"fmt"
	"math/bits"
	"strings"

	"github.com/carosio/carosbuild/pkg/disk/damage"
)

// Features that the writer does not use and the reader supports.
const (
	compatImagic       = 0x2
	compatSparseSuper2 = 0x200
	compatOrphanFile   = 0x1000
	compatKnown        = 0x163F | compatSparseSuper2

	incompatRecover    = 0x4
	incompatMetaBG     = 0x10
	incompatMMP        = 0x100
	incompatEAInode    = 0x400
	incompatSeed       = 0x2000
	incompatLargeDir   = 0x4000
	incompatInlineData = 0x8000
	incompatEncrypt    = 0x10000
	incompatCaseFold   = 0x20000
	incompatSupported  = incompatFiletype | incompatRecover | incompatMetaBG | incompatExtents | incompat64bit | incompatMMP | incompatFlexBG |
		incompatEAInode | incompatSeed | incompatLargeDir | incompatInlineData | incompatEncrypt | incompatCaseFold

	roCompatQuota        = 0x100
	roCompatBigAlloc     = 0x200
	roCompatProject      = 0x2000
	roCompatSharedBlocks = 0x4000
	roCompatKnown        = 0x1F77F | roCompatSharedBlocks
)

// incompatNames are mke2fs's names of features; features without a name are shown
// as a number.
var incompatNames = map[int]string{0: "compression", 3: "journal_dev", 12: "dirdata"}

// features refuses file systems that are not supported. A superblock with a wrong
// checksum is damaged rather than of an unknown kind.
func (f *FS) features() error {
	bad := f.s.Incompat &^ incompatSupported
	if bad == 0 || f.s.Revision == 0 {
		return nil
	}
	if f.s.ROCompat&roCompatMetadataCsum != 0 && f.superSum() != f.s.Checksum {
		return formatError("it has features (incompat %#x) that are not known, and a wrong checksum", bad)
	}
	var names []string
	for ; bad != 0; bad &= bad - 1 {
		bit := bits.TrailingZeros32(bad)
		name := incompatNames[bit]
		if name == "" {
			name = fmt.Sprintf("%#x", 1<<bit)
		}
		names = append(names, name)
	}
	return fmt.Errorf("%w: %w", ErrFormat, damage.Unreadf("its features (%s) are not read", strings.Join(names, ", ")))
}

// superSum is the checksum that the superblock should have.
func (f *FS) superSum() uint32 { return crc32c(^uint32(0), f.raw[:1020]) }

// strictNames reports whether case-insensitive directories accept only names in
// UTF-8.
func (f *FS) strictNames() bool {
	const flagsAt, strict = 0x27e, 1
	return f.s.Incompat&incompatCaseFold != 0 && le.Uint16(f.raw[flagsAt:])&strict != 0
}

// bigalloc reports whether the unit of allocation is a cluster of blocks.
func (f *FS) bigalloc() bool { return f.s.ROCompat&roCompatBigAlloc != 0 }

// ratio is the number of blocks in a cluster, a power of two.
func (f *FS) ratio() int64 {
	if f.bigalloc() {
		return 1 << (f.s.LogClusterSize - f.s.LogBlockSize)
	}
	return 1
}
