// This Source Code Form is subject to the terms of the Mozilla Public
// License, v. 2.0. If a copy of the MPL was not distributed with this
// file, You can obtain one at https://mozilla.org/MPL/2.0/.

package qemu

import (
	"encoding/binary"
	"errors"
	"io"
	"strings"
)

// onFAT reports whether a FAT file system has a file of an 8.3 name, given by
// the names of its directories and its own. What is no FAT file system, or is
// damaged, has none; only a failing read is an error.
func onFAT(r *io.SectionReader, names ...string) (bool, error) {
	f, ok, err := openFAT(r)
	if err != nil || !ok {
		return false, err
	}
	cluster := f.root
	for i, name := range names {
		first, dir, err := f.find(cluster, shortName(name))
		if errors.Is(err, io.ErrUnexpectedEOF) { // it says that it is larger than it is
			return false, nil
		}
		if err != nil || first == noCluster || dir == (i == len(names)-1) {
			return false, err
		}
		cluster = first
	}
	return true, nil
}

// shortName is an 8.3 name as a directory has it: 11 bytes, upper case.
func shortName(name string) string {
	base, ext, _ := strings.Cut(strings.ToUpper(name), ".")
	pad := func(s string, n int) string { return (s + "           ")[:n] }
	return pad(base, 8) + pad(ext, 3)
}

// fat is the geometry of a FAT16 or FAT32 file system, in bytes (Microsoft's
// FAT specification 1.03).
type fat struct {
	r           *io.SectionReader
	wide        bool // FAT32
	table, data int64
	cluster     int64
	clusters    uint32
	root        uint32 // cluster; 0 is the fixed root directory of FAT16
	rootAt      int64
	rootSize    int64
}

const noCluster = ^uint32(0)

func openFAT(r *io.SectionReader) (fat, bool, error) {
	var b [sectorSize]byte
	if r.Size() < sectorSize {
		return fat{}, false, nil
	}
	if err := readFull(r, b[:], 0); err != nil {
		return fat{}, false, err
	}
	le := binary.LittleEndian
	sector, perCluster := int64(le.Uint16(b[11:])), int64(b[13])
	reserved, fats, rootEntries := int64(le.Uint16(b[14:])), int64(b[16]), int64(le.Uint16(b[17:]))
	total, perFAT := int64(le.Uint16(b[19:])), int64(le.Uint16(b[22:]))
	if total == 0 {
		total = int64(le.Uint32(b[32:]))
	}
	f := fat{r: r, wide: perFAT == 0}
	if f.wide {
		perFAT, f.root = int64(le.Uint32(b[36:])), le.Uint32(b[44:])
	}
	if b[510] != 0x55 || b[511] != 0xAA || sector < 512 || sector > 4096 || perCluster == 0 || reserved == 0 || fats == 0 || fats > 2 || perFAT == 0 {
		return fat{}, false, nil
	}
	f.table, f.cluster = reserved*sector, perCluster*sector
	f.rootAt, f.rootSize = f.table+fats*perFAT*sector, rootEntries*32
	f.data = f.rootAt + f.rootSize
	f.clusters = uint32(max(0, min(total*sector-f.data, r.Size()-f.data)/f.cluster))
	return f, true, nil
}

// maxDirectory bounds how much of a directory is read: 64 Ki entries.
const maxDirectory = 2 << 20

// find looks a name up in the directory that starts at a cluster.
func (f fat) find(dir uint32, name string) (first uint32, isDir bool, err error) {
	if dir == 0 && !f.wide {
		return f.scan(f.rootAt, f.rootSize, name)
	}
	for read := int64(0); dir >= 2 && dir-2 < f.clusters && read < maxDirectory; read += f.cluster {
		first, isDir, err = f.scan(f.data+int64(dir-2)*f.cluster, f.cluster, name)
		if err != nil || first != noCluster {
			return first, isDir, err
		}
		if dir, err = f.next(dir); err != nil {
			return noCluster, false, err
		}
	}
	return noCluster, false, nil
}

func (f fat) scan(at, n int64, name string) (first uint32, isDir bool, err error) {
	if n = min(n, maxDirectory, f.r.Size()-at); n <= 0 {
		return noCluster, false, nil
	}
	b := make([]byte, n)
	if err := readFull(f.r, b, at); err != nil {
		return noCluster, false, err
	}
	for ; len(b) >= 32 && b[0] != 0; b = b[32:] {
		const volumeLabel, directory = 0x08, 0x10
		if string(b[:11]) == name && b[11]&volumeLabel == 0 {
			first = uint32(binary.LittleEndian.Uint16(b[26:]))
			if f.wide {
				first |= uint32(binary.LittleEndian.Uint16(b[20:])) << 16
			}
			return first, b[11]&directory != 0, nil
		}
	}
	return noCluster, false, nil
}

// next is the cluster after c in its chain; what ends a chain is beyond all
// clusters.
func (f fat) next(c uint32) (uint32, error) {
	width := int64(2)
	if f.wide {
		width = 4
	}
	var b [4]byte
	if err := readFull(f.r, b[:width], f.table+int64(c)*width); err != nil {
		return 0, err
	}
	return binary.LittleEndian.Uint32(b[:]) & 0x0FFFFFFF, nil
}
