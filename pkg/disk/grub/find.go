// This Source Code Form is subject to the terms of the Mozilla Public
// License, v. 2.0. If a copy of the MPL was not distributed with this
// file, You can obtain one at https://mozilla.org/MPL/2.0/.

package grub

import (
	"bytes"
	"encoding/binary"
	"io"

	"github.com/carosio/carosbuild/pkg/disk/damage"
)

// bootMark is what every boot.img has among its messages.
const bootMark = "GRUB "

// blockEntry is the size of an entry of the list of blocks at the end of the
// core image's first sector: {LBA u64, sectors u16, segment u16}. The list goes
// downwards from coreBlocks and ends with no sectors.
const blockEntry = 12

// Found is a core image that a boot sector loads: the bytes of the disk from its
// first sector to the last one on its list.
type Found struct{ Start, Size int64 }

// Find finds the core image of GRUB's boot code on a disk of size bytes. It is
// nil when code is not GRUB's.
func Find(code []byte, r io.ReaderAt, size int64) (*Found, []damage.Problem) {
	if len(code) < codeSize || !bytes.Contains(code[:codeSize], []byte(bootMark)) {
		return nil, nil
	}
	var l damage.List
	lba := binary.LittleEndian.Uint64(code[bootCore:])
	f := &Found{Start: int64(min(lba, 1<<50)) * sectorSize}
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

// blocks follows the list of blocks.
func (f *Found) blocks(sector []byte, size int64, l *damage.List) {
	le := binary.LittleEndian
	next := uint32(loadSegment)
	for at := coreBlocks; ; at -= blockEntry {
		lba, n, segment := le.Uint64(sector[at:]), int64(le.Uint16(sector[at+8:])), uint32(le.Uint16(sector[at+10:]))
		switch {
		case n == 0 && at == coreBlocks:
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
		case at < blockEntry+sectorSize/2:
			l.Add("GRUB", "the list of blocks of its core image has no end")
			return
		}
		next = segment + uint32(n)*(sectorSize/16)
		f.Size = max(f.Size, int64(lba)*sectorSize+n*sectorSize-f.Start)
	}
}
