// SPDX-License-Identifier: MPL-2.0

package vhdx

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"math/bits"

	"github.com/carosio/carosbuild/pkg/disk/damage"
)

// What other programs write, which is more than this package does.
const (
	blockAbsent    = 0 // 2.5.1.1, these three read as zero here
	blockUndefined = 1
	blockUnmapped  = 3

	entryState    = 7 // 2.5.1, bits of an entry of the table
	entryReserved = 1<<20 - 1 - entryState
	entryOffset   = 1<<64 - 1<<20

	maxBlock   = 256 * mebibyte
	maxEntries = 2047 // of a region table, and of the metadata's

	itemUser      = 1 << 0
	itemParent    = "A8D35F2D-B30B-454D-ABF7-D3D84834AB0C" // 2.6.2.6, parent locator
	hasParent     = 1 << 1                                 // 2.6.2.1, flag of the file's parameters
	maxItemLength = mebibyte
)

// id is an identifier in its on-disk form.
type id [16]byte

func idOf(s string) id { return id(guid(s)) }

func (i id) String() string {
	u := mixed(i)
	return fmt.Sprintf("%X-%X-%X-%X-%X", u[:4], u[4:6], u[6:8], u[8:10], u[10:])
}

// summed reports whether the checksum at byte 4 is right.
func summed(b []byte) bool {
	c := crc32.Update(0, castagnoli, b[:4])
	c = crc32.Update(c, castagnoli, make([]byte, 4))
	return crc32.Update(c, castagnoli, b[8:]) == binary.LittleEndian.Uint32(b[4:])
}

// head has the fields of a header that are used (2.2.2).
type head struct {
	number     uint64
	log        id // id of the log's entries, 0 if there are none
	logVersion uint16
	version    uint16
	logSize    uint32
	logAt      uint64
}

// parseHead reads a header of headerSize bytes.
func parseHead(b []byte) (head, error) {
	le := binary.LittleEndian
	if string(b[:4]) != "head" {
		return head{}, fmt.Errorf("%w: no header", ErrFormat)
	}
	if !summed(b) {
		return head{}, fmt.Errorf("%w: the header's checksum is wrong", ErrFormat)
	}
	h := head{
		number: le.Uint64(b[8:]), log: id(b[48:64]), logVersion: le.Uint16(b[64:]), version: le.Uint16(b[66:]),
		logSize: le.Uint32(b[68:]), logAt: le.Uint64(b[72:]),
	}
	if h.version != 1 {
		return head{}, fmt.Errorf("%w: version %d", ErrFormat, h.version)
	}
	return h, nil
}

// region is a part of the file (2.2.3.2).
type region struct {
	id       id
	at, size int64
}

// parseRegions parses a region table of regionSize bytes, of a file of size bytes.
// An unknown region is allowed if it is not required.
func parseRegions(b []byte, size int64) ([]region, error) {
	le := binary.LittleEndian
	if string(b[:4]) != "regi" {
		return nil, fmt.Errorf("%w: no region table", ErrFormat)
	}
	if !summed(b) {
		return nil, fmt.Errorf("%w: the region table's checksum is wrong", ErrFormat)
	}
	n := le.Uint32(b[8:])
	if n > maxEntries {
		return nil, fmt.Errorf("%w: %d regions", ErrFormat, n)
	}
	var out []region
	for i := range int(n) {
		e := b[16+32*i:]
		at, r := le.Uint64(e[16:]), region{id: id(e[:16]), size: int64(le.Uint32(e[24:]))}
		if at%mebibyte != 0 || at < mebibyte || r.size%mebibyte != 0 || r.size == 0 || at > uint64(size) || r.size > size-int64(at) {
			return nil, fmt.Errorf("%w: region %s has %d bytes at %d, and the file %d", ErrFormat, r.id, r.size, at, size)
		}
		if known := r.id == idOf(regionTable) || r.id == idOf(regionMetadata); !known && le.Uint32(e[28:])&1 != 0 {
			return nil, fmt.Errorf("%w: region %s is required and not known", ErrFormat, r.id)
		}
		r.at = int64(at)
		out = append(out, r)
	}
	return out, nil
}

// find is the one region of that kind.
func find(regions []region, kind string) (region, error) {
	var out []region
	for _, r := range regions {
		if r.id == idOf(kind) {
			out = append(out, r)
		}
	}
	if len(out) != 1 {
		return region{}, fmt.Errorf("%w: it has %d regions %s", ErrFormat, len(out), kind)
	}
	return out[0], nil
}

// item is an entry of the metadata's table (2.6.1.2), in bytes of its region.
type item struct {
	id       id
	at, size int64
	flags    uint32
}

// lengths are those of the items that every file has.
var lengths = map[string]int64{itemParameters: 8, itemSize: 8, itemID: 16, itemLogical: 4, itemPhysical: 4}

// parseItems parses the metadata's table of itemsAt bytes, in a region of size
// bytes.
func parseItems(b []byte, size int64) (map[id]item, error) {
	le := binary.LittleEndian
	if string(b[:8]) != "metadata" {
		return nil, fmt.Errorf("%w: no metadata", ErrFormat)
	}
	n := int(le.Uint16(b[10:]))
	if n > maxEntries {
		return nil, fmt.Errorf("%w: %d metadata items", ErrFormat, n)
	}
	out := map[id]item{}
	for i := range n {
		e := b[32+32*i:]
		it := item{id: id(e[:16]), at: int64(le.Uint32(e[16:])), size: int64(le.Uint32(e[20:])), flags: le.Uint32(e[24:])}
		if it.size > maxItemLength || it.size > 0 && it.at < itemsAt || it.at > size-it.size {
			return nil, fmt.Errorf("%w: metadata item %s has %d bytes at %d of %d", ErrFormat, it.id, it.size, it.at, size)
		}
		if it.flags&itemUser == 0 {
			if _, ok := out[it.id]; ok {
				return nil, fmt.Errorf("%w: there are two metadata items %s", ErrFormat, it.id)
			}
			out[it.id] = it
		}
		if it.flags&itemRequired != 0 && (it.flags&itemUser != 0 || !known(it.id)) {
			return nil, fmt.Errorf("%w: metadata item %s is required and not known", ErrFormat, it.id)
		}
	}
	for name, n := range lengths {
		if it, ok := out[idOf(name)]; !ok || it.size != n {
			return nil, fmt.Errorf("%w: metadata item %s has %d bytes, not %d", ErrFormat, name, it.size, n)
		}
	}
	return out, nil
}

func known(i id) bool {
	for name := range lengths {
		if i == idOf(name) {
			return true
		}
	}
	return i == idOf(itemParent)
}

// shape is what the metadata says about the disk.
type shape struct {
	disk   int64 // its size in bytes
	block  int64 // bytes of a payload block
	sector int64 // logical
}

// newShape checks the values of items.
func newShape(parameters, size uint64, logical, physical uint32) (shape, error) {
	block := uint32(parameters)
	switch {
	case parameters>>32&hasParent != 0:
		return shape{}, fmt.Errorf("%w: %w", ErrFormat, damage.Unreadf("it is a differencing disk, which needs its parent"))
	case block < mebibyte || block > maxBlock || bits.OnesCount32(block) != 1:
		return shape{}, fmt.Errorf("%w: blocks of %d bytes", ErrFormat, block)
	case logical != 512 && logical != 4096 || physical != 512 && physical != 4096:
		return shape{}, fmt.Errorf("%w: sectors of %d bytes, physical ones of %d", ErrFormat, logical, physical)
	case size == 0 || size > MaxSize || size%uint64(logical) != 0:
		return shape{}, fmt.Errorf("%w: disk of %d bytes", ErrFormat, size)
	}
	return shape{disk: int64(size), block: int64(block), sector: int64(logical)}, nil
}

// ratio is the number of payload blocks for each sector bitmap block (2.5).
func (s shape) ratio() int64 { return 1 << 23 * s.sector / s.block }

// blocks is the number of blocks of the disk.
func (s shape) blocks() int64 { return (s.disk-1)/s.block + 1 }

// entry is the index of a block's entry in the table.
func (s shape) entry(block int64) int64 { return block + block/s.ratio() }
