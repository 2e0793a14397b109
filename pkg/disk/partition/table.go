// SPDX-License-Identifier: MPL-2.0

package partition

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"unicode/utf16"

	"github.com/carosio/carosbuild/pkg/disk/image"
	"github.com/diskfs/go-diskfs/partition/gpt"
	"github.com/diskfs/go-diskfs/partition/mbr"
)

// Table is a partition table as a value.
type Table struct {
	Kind      Kind
	Size      int64   // of the disk, in bytes
	GUID      string  // of a GPT disk
	Signature uint32  // of an MBR disk; beside a GPT usually 0
	BootCode  []byte  // at most 440 bytes, before the MBR's table
	Entries   []Entry // in the order of their numbers, from 1
}

// Entry is one partition.
type Entry struct {
	Slot
	Type   string // as for TypeGUID or TypeByte
	Name   string // GPT: at most 36 UTF-16 units
	GUID   string // GPT: of this partition
	Active bool   // MBR: the boot flag
	// Attributes of a GPT entry, see AttributeBits.
	Attributes uint64
	Hybrid     bool // GPT: also listed in the MBR, for systems that read only that
}

// Extents are the sectors that the table occupies: the first, and for GPT the
// header and entries at both ends of the disk.
func (t Table) Extents() ([]image.Extent, error) {
	if len(t.BootCode) > mbrBoot {
		return nil, fmt.Errorf("boot code of %d bytes, and a boot sector has room for %d", len(t.BootCode), mbrBoot)
	}
	f := &memFile{}
	var err error
	switch t.Kind {
	case GPT:
		err = t.writeGPT(f)
	case MBR:
		err = t.writeMBR(f)
	default:
		err = fmt.Errorf("table %q is neither gpt nor mbr", t.Kind)
	}
	if err != nil {
		return nil, err
	}
	sector := make([]byte, SectorSize)
	copy(sector, t.BootCode)
	binary.LittleEndian.PutUint32(sector[440:], t.Signature)
	extents := []image.Extent{{Len: SectorSize, Src: image.Bytes(sector)}}
	for _, w := range f.writes {
		if w.off < SectorSize {
			copy(sector[w.off:], w.data)
			continue
		}
		extents = append(extents, image.Extent{Off: w.off, Len: int64(len(w.data)), Src: image.Bytes(w.data)})
	}
	if t.Kind == GPT {
		if err := t.protect(sector); err != nil {
			return nil, err
		}
	}
	return extents, nil
}

func (t Table) writeGPT(f *memFile) error {
	if !isGUID(t.GUID) {
		return fmt.Errorf("disk GUID %q has no GUID's form", t.GUID)
	}
	g := &gpt.Table{GUID: t.GUID, ProtectiveMBR: true}
	for i, e := range t.Entries {
		guid, err := TypeGUID(e.Type)
		if err != nil {
			return err
		}
		if !isGUID(e.GUID) { // the library would generate a random one for ""
			return fmt.Errorf("partition %d: GUID %q has no GUID's form", i+1, e.GUID)
		}
		// The library counts runes, and writes beyond the entry's end for others.
		if n := len(utf16.Encode([]rune(e.Name))); n > 36 {
			return fmt.Errorf("partition name %q has %d UTF-16 units, and a GPT holds 36", e.Name, n)
		}
		p := &gpt.Partition{
			Index: i + 1, Type: gpt.Type(guid), Name: e.Name, GUID: e.GUID,
			Start: uint64(e.Start / SectorSize), End: uint64(e.End()/SectorSize - 1), Attributes: e.Attributes,
		}
		g.Partitions = append(g.Partitions, p)
	}
	return g.Write(f, t.Size)
}

// protect makes the protective entry as the UEFI specification requires it: the
// library leaves CHS empty and truncates the size of large disks. In a hybrid MBR
// it comes first and ends where the first of the other entries starts, as in gdisk.
func (t Table) protect(sector []byte) error {
	end := min(t.Size/SectorSize, 1<<32)
	entries := sector[446+16 : 510]
	for i, e := range t.Entries {
		if !e.Hybrid {
			continue
		}
		if len(entries) == 0 {
			return fmt.Errorf("partition %d is the fourth of a hybrid MBR, which has room for three", i+1)
		}
		code, err := TypeByte(e.Type)
		if err != nil {
			return err
		}
		start, size := e.Start/SectorSize, e.Size/SectorSize
		if start >= mbrSector || size >= mbrSector {
			return fmt.Errorf("partition %d cannot be expressed in a hybrid MBR", i+1)
		}
		mbrEntry(entries, code, start, size)
		end = min(end, start)
		entries = entries[16:]
	}
	mbrEntry(sector[446:], 0xEE, 1, end-1)
	copy(sector[446:], []byte{0, 0x00, 0x02, 0x00, 0xEE, 0xFF, 0xFF, 0xFF})
	return nil
}

// mbrEntry fills an entry of an MBR, without cylinders, heads and sectors.
func mbrEntry(e []byte, code byte, start, size int64) {
	copy(e, []byte{0, 0xFE, 0xFF, 0xFF, code, 0xFE, 0xFF, 0xFF})
	binary.LittleEndian.PutUint32(e[8:], uint32(start))
	binary.LittleEndian.PutUint32(e[12:], uint32(min(size, 0xFFFFFFFF)))
}

func (t Table) writeMBR(f *memFile) error {
	m := &mbr.Table{}
	active := 0
	for i, e := range t.Entries {
		code, err := TypeByte(e.Type)
		if err != nil {
			return err
		}
		start, size := e.Start/SectorSize, e.Size/SectorSize
		if i >= mbrMax || start >= mbrSector || size >= mbrSector {
			return fmt.Errorf("partition %d cannot be expressed in an MBR table", i+1)
		}
		if e.Active {
			active++
		}
		m.Partitions = append(m.Partitions, &mbr.Partition{
			Bootable: e.Active, Type: mbr.Type(code), Start: uint32(start), Size: uint32(size),
			StartHead: 0xFE, StartSector: 0xFF, StartCylinder: 0xFF, EndHead: 0xFE, EndSector: 0xFF, EndCylinder: 0xFF,
		})
	}
	if active > 1 {
		return fmt.Errorf("%d partitions are active, and an MBR table may have one", active)
	}
	return m.Write(f, t.Size)
}

// memFile is the file to which go-diskfs writes its tables: it keeps the data and
// can do nothing else.
type memFile struct{ writes []chunk }

type chunk struct {
	off  int64
	data []byte
}

var errWriteOnly = errors.New("write-only file")

func (f *memFile) WriteAt(p []byte, off int64) (int, error) {
	f.writes = append(f.writes, chunk{off, append([]byte(nil), p...)})
	return len(p), nil
}

func (f *memFile) Stat() (fs.FileInfo, error)        { return nil, errWriteOnly }
func (f *memFile) Read([]byte) (int, error)          { return 0, errWriteOnly }
func (f *memFile) ReadAt([]byte, int64) (int, error) { return 0, errWriteOnly }
func (f *memFile) Seek(int64, int) (int64, error)    { return 0, errWriteOnly }
func (f *memFile) Close() error                      { return nil }

var _ io.WriterAt = (*memFile)(nil)
