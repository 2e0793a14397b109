// SPDX-License-Identifier: MPL-2.0

package fat

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
)

// ErrFormat is wrapped by errors about data that is not a FAT file system, or a
// damaged one.
var ErrFormat = errors.New("not a readable FAT file system")

func formatError(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrFormat, fmt.Sprintf(format, args...))
}

// FS reads a file system with a FAT of 12, 16 or 32 bits. It is safe for concurrent
// use. For a hostile file system, memory use is proportional to the contents of its
// directories.
type FS struct {
	r       io.ReaderAt
	boot    []byte // boot sector
	bits    int
	sector  int64 // bytes
	cluster int64 // bytes
	fatAt   int64 // offset of the first FAT
	fatSize int64 // bytes of one FAT
	fats    int64
	rootAt  int64 // offset of the root directory of FAT12 and FAT16
	rootLen int64
	dataAt  int64 // offset of cluster 2
	last    int64 // number of the last cluster
	size    int64 // bytes, according to the boot sector
	mu      sync.Mutex
	page    []byte // of the first FAT
	pageNo  int64
}

const (
	pageSize    = 64 << 10
	fat12Max    = 4085 // below this number of clusters a FAT has 12 bits
	bootSigByte = 0x29 // serial, label and type follow
)

// Open reads the boot sector of a file system on a device of size bytes.
func Open(r io.ReaderAt, size int64) (*FS, error) {
	b := make([]byte, sectorSize)
	if n, err := r.ReadAt(b, 0); n < len(b) {
		if err == io.EOF {
			return nil, formatError("%d bytes are too few", size)
		}
		return nil, fmt.Errorf("read boot sector: %w", err)
	}
	f := &FS{r: r, boot: b, pageNo: -1}
	if err := f.geometry(size); err != nil {
		return nil, err
	}
	return f, nil
}

// geometry reads the boot sector's numbers and checks that nothing computed from
// them is outside the device.
func (f *FS) geometry(size int64) error {
	b := f.boot
	f.sector, f.cluster, f.fats = int64(le.Uint16(b[11:])), int64(b[13]), int64(b[16])
	reserved, rootEntries := int64(le.Uint16(b[14:])), int64(le.Uint16(b[17:]))
	sectors, perFAT := int64(le.Uint16(b[19:])), int64(le.Uint16(b[22:]))
	if sectors == 0 {
		sectors = int64(le.Uint32(b[32:]))
	}
	if perFAT == 0 {
		perFAT = int64(le.Uint32(b[36:]))
	}
	switch {
	case b[510] != 0x55 || b[511] != 0xAA || b[0] != 0xEB && b[0] != 0xE9:
		return formatError("no boot sector")
	case f.sector < 512 || f.sector > 4096 || f.sector&(f.sector-1) != 0:
		return formatError("sectors of %d bytes", f.sector)
	case f.cluster == 0 || f.cluster&(f.cluster-1) != 0:
		return formatError("clusters of %d sectors", f.cluster)
	case reserved == 0 || f.fats < 1 || f.fats > 2 || perFAT == 0:
		return formatError("%d reserved sectors, %d FATs of %d sectors", reserved, f.fats, perFAT)
	case sectors == 0 || sectors > size/f.sector:
		return formatError("it has %d sectors of %d bytes, on a device of %d bytes", sectors, f.sector, size)
	}
	f.size = sectors * f.sector
	f.cluster *= f.sector
	f.fatAt, f.fatSize = reserved*f.sector, perFAT*f.sector
	f.rootAt = f.fatAt + f.fats*f.fatSize
	f.rootLen = rootEntries * dirEntrySize
	f.dataAt = f.rootAt + (f.rootLen+f.sector-1)/f.sector*f.sector
	if f.dataAt > f.size-f.cluster {
		return formatError("its tables take %d bytes of %d", f.dataAt, f.size)
	}
	clusters := (f.size - f.dataAt) / f.cluster
	f.last = clusters + 1
	switch {
	case rootEntries == 0:
		f.bits = 32
	case clusters < fat12Max:
		f.bits = 12
	case clusters < minClusters:
		f.bits = 16
	default:
		return formatError("%d clusters are too many for FAT16", clusters)
	}
	if need := (f.last + 1) * int64(f.bits) / 8; need > f.fatSize {
		return formatError("a FAT has %d bytes, and %d clusters need %d", f.fatSize, clusters, need)
	}
	return nil
}

// Kind is fat12, fat16 or fat32.
func (f *FS) Kind() string { return fmt.Sprintf("fat%d", f.bits) }

// End is the end of the file system on its device, in bytes.
func (f *FS) End() int64 { return f.size }

// extended is the part of the boot sector with serial and label, or nil.
func (f *FS) extended() []byte {
	b := f.boot[36:]
	if f.bits == 32 {
		b = f.boot[64:]
	}
	if b[2] != bootSigByte {
		return nil
	}
	return b[:26]
}

// ID is the volume's serial number, as XXXX-XXXX.
func (f *FS) ID() string {
	b := f.extended()
	if b == nil {
		return ""
	}
	n := le.Uint32(b[3:])
	return fmt.Sprintf("%04X-%04X", n>>16, n&0xFFFF)
}

// bootLabel is the label in the boot sector; one in the root directory takes
// precedence.
func (f *FS) bootLabel() string {
	b := f.extended()
	if b == nil {
		return ""
	}
	if s := strings.TrimRight(decode(b[7:18]), " \x00"); s != "NO NAME" {
		return s
	}
	return ""
}

// Values of next that are not a cluster.
const (
	freeCluster = 0
	badCluster  = -1
	chainEnd    = -2
)

// next is the FAT's entry for a cluster.
func (f *FS) next(n int64) (int64, error) {
	if n < 2 || n > f.last {
		return 0, formatError("cluster %d is named, and there are 2 to %d", n, f.last)
	}
	v, err := f.entry(n)
	if err != nil {
		return 0, err
	}
	max := int64(1)<<min(f.bits, 28) - 1
	switch {
	case v >= max-7:
		return chainEnd, nil
	case v == max-8:
		return badCluster, nil
	}
	return v, nil
}

// entry is an entry of the first FAT.
func (f *FS) entry(n int64) (int64, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	off := n * int64(f.bits) / 8
	b := make([]byte, 4)
	for i := range max(f.bits/8, 2) {
		c, err := f.fatByte(off + int64(i))
		if err != nil {
			return 0, err
		}
		b[i] = c
	}
	v := int64(le.Uint32(b))
	switch {
	case f.bits == 12 && n%2 == 1:
		v >>= 4
	case f.bits == 12:
		v &= 0xFFF
	case f.bits == 32:
		v &= 0x0FFFFFFF
	}
	return v, nil
}

// fatByte is a byte of the first FAT, which is read in pages.
func (f *FS) fatByte(off int64) (byte, error) {
	if off/pageSize != f.pageNo {
		b := make([]byte, min(pageSize, f.fatSize-off/pageSize*pageSize))
		if n, err := f.r.ReadAt(b, f.fatAt+off/pageSize*pageSize); n < len(b) {
			return 0, fmt.Errorf("read FAT: %w", err)
		}
		f.page, f.pageNo = b, off/pageSize
	}
	return f.page[off%pageSize], nil
}

// Usage is the size of the data area and how much of it is in use, in bytes.
func (f *FS) Usage() (size, used int64, err error) {
	for n := int64(2); n <= f.last; n++ {
		v, err := f.next(n)
		if err != nil {
			return 0, 0, err
		}
		if v != freeCluster {
			used += f.cluster
		}
	}
	return (f.last - 1) * f.cluster, used, nil
}

// chain calls f for the clusters of a chain, up to limit of them.
func (f *FS) chain(first, limit int64, each func(n int64) error) error {
	for n, i := first, int64(0); n != chainEnd; i++ {
		switch {
		case i == limit:
			return formatError("the chain of cluster %d has more than %d clusters", first, limit)
		case n == freeCluster || n == badCluster || n == 1:
			return formatError("the chain of cluster %d leads to one that is free, bad or reserved", first)
		}
		next, err := f.next(n)
		if err == nil {
			err = each(n)
		}
		if err != nil {
			return err
		}
		n = next
	}
	return nil
}
