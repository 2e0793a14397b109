// SPDX-License-Identifier: MPL-2.0

package grub

import (
	"bytes"
	"encoding/binary"
	"io"

	"github.com/carosio/carosbuild/pkg/disk/damage"
)

// bootMark is a message that every boot.img contains.
const bootMark = "GRUB "

// blockEntry is the size of an entry of the list of blocks at the end of the core
// image's first sector: {LBA u64, sectors u16, segment u16}. The list grows
// downwards from coreBlocks and ends with an entry of no sectors.
const blockEntry = 12

// Found is a core image that a boot sector loads, or the equivalent of GRUB Legacy:
// the bytes of the disk from its first sector to the last one on its list.
type Found struct {
	Start, Size int64
	Legacy      bool
}

// Kinds of boot code by the place of the number of the core image's first sector:
// that of hard disks, that of discs that are also hard disks, and GRUB Legacy's,
// which has numbers of 32 bits and list entries of 8 bytes.
const (
	hybridCore   = 0x1B0
	legacyCore   = 0x44
	legacyBlocks = 0x1F8
	legacyEntry  = 8
)

// loadsSector is the instruction that loads that number, "mov address, %ebx": all
// kinds have it, and its address distinguishes them.
const loadsSector = "\x66\x8b\x1e"

// codeAddress is the address of a boot sector in memory.
const codeAddress = 0x7C00

// coreAt is the offset of the number in a boot sector.
func coreAt(code []byte) int {
	_, rest, _ := bytes.Cut(code[:codeSize], []byte(loadsSector))
	if len(rest) >= 2 {
		switch at := int(binary.LittleEndian.Uint16(rest)) - codeAddress; at {
		case hybridCore, legacyCore:
			return at
		}
	}
	return bootCore
}

// Find finds the core image of GRUB's boot code on a disk of size bytes. It is nil
// if code is not GRUB's.
func Find(code []byte, r io.ReaderAt, size int64) (*Found, []damage.Problem) {
	if len(code) < codeSize || !bytes.Contains(code[:codeSize], []byte(bootMark)) {
		return nil, nil
	}
	var l damage.List
	at := coreAt(code)
	lba := binary.LittleEndian.Uint64(code[at:])
	if at == legacyCore {
		lba &= 1<<32 - 1
	}
	f := &Found{Start: int64(min(lba, 1<<50)) * sectorSize, Legacy: at == legacyCore}
	sector := make([]byte, sectorSize)
	if lba == 0 || f.Start > size-sectorSize {
		l.Add("GRUB", "its boot code loads sector %d, and the disk has %d", lba, size/sectorSize)
		return f, l.Problems()
	}
	if n, err := r.ReadAt(sector, f.Start); n < len(sector) {
		l.Add("GRUB", "sector %d cannot be read: %v", lba, err)
		return f, l.Problems()
	}
	f.Size = sectorSize
	f.blocks(sector, size, &l)
	return f, l.Problems()
}

// run is an entry of the list of blocks.
type run struct {
	lba     uint64
	n       int64 // sectors
	segment uint32
}

func (f *Found) run(b []byte) run {
	le := binary.LittleEndian
	if f.Legacy {
		return run{uint64(le.Uint32(b)), int64(le.Uint16(b[4:])), uint32(le.Uint16(b[6:]))}
	}
	return run{le.Uint64(b), int64(le.Uint16(b[8:])), uint32(le.Uint16(b[10:]))}
}

// blocks follows the list of blocks.
func (f *Found) blocks(sector []byte, size int64, l *damage.List) {
	first, entry := coreBlocks, blockEntry
	if f.Legacy {
		first, entry = legacyBlocks, legacyEntry
	}
	next := uint32(loadSegment)
	for at := first; ; at -= entry {
		r := f.run(sector[at:])
		lba, n, segment := r.lba, r.n, r.segment
		if at == first && f.Legacy {
			next = segment // a stage 1.5 has another address in memory than a stage 2
		}
		switch {
		case n == 0 && at == first:
			l.Add("GRUB", "the core image at byte %d has no list of blocks", f.Start)
			return
		case n == 0:
			return
		case lba == 0 || lba > uint64(size/sectorSize) || int64(lba)+n > size/sectorSize:
			l.Add("GRUB", "its core image has sectors %d to %d, and the disk has %d", lba, int64(min(lba, 1<<50))+n-1, size/sectorSize)
			return
		case segment != next:
			l.Add("GRUB", "its core image loads sector %d at segment %#x, not %#x", lba, segment, next)
			return
		case at < entry+sectorSize/2:
			l.Add("GRUB", "the list of blocks of its core image has no end")
			return
		}
		next = segment + uint32(n)*(sectorSize/16)
		f.Size = max(f.Size, int64(lba)*sectorSize+n*sectorSize-f.Start)
	}
}
