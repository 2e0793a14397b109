// SPDX-License-Identifier: MPL-2.0

package decode

import (
	"encoding/binary"

	"github.com/carosio/carosbuild/pkg/supervisor/filter"
)

// Stat is the result of stat(2). Dev and Rdev are as in a 64-bit kernel.
type Stat struct {
	Dev, Ino, Nlink, Rdev uint64
	Mode, UID, GID        uint32
	Size, Blksize, Blocks int64
	Atime, Mtime, Ctime   [2]int64 // seconds, nanoseconds
}

// Encode returns the struct that an architecture's call fills: struct stat on 64-bit ones,
// struct stat64 on the others. It is false for an unknown architecture.
func (s Stat) Encode(a filter.Arch) ([]byte, bool) {
	le := binary.LittleEndian
	put := func(size int, fields ...any) []byte {
		b := make([]byte, size)
		for i := 0; i < len(fields); i += 2 {
			at := fields[i].(int)
			switch v := fields[i+1].(type) {
			case uint64:
				le.PutUint64(b[at:], v)
			case uint32:
				le.PutUint32(b[at:], v)
			}
		}
		return b
	}
	t := s.times()
	switch a {
	case filter.X8664: // arch/x86/include/uapi/asm/stat.h
		return put(144, 0, s.Dev, 8, s.Ino, 16, s.Nlink, 24, s.Mode, 28, s.UID, 32, s.GID, 40, s.Rdev, 48, uint64(s.Size), 56, uint64(s.Blksize),
			64, uint64(s.Blocks), 72, t[0], 80, t[1], 88, t[2], 96, t[3], 104, t[4], 112, t[5]), true
	case filter.ARM64: // include/uapi/asm-generic/stat.h
		return put(128, 0, s.Dev, 8, s.Ino, 16, s.Mode, 20, uint32(s.Nlink), 24, s.UID, 28, s.GID, 32, s.Rdev, 48, uint64(s.Size), 56, uint32(s.Blksize),
			64, uint64(s.Blocks), 72, t[0], 80, t[1], 88, t[2], 96, t[3], 104, t[4], 112, t[5]), true
	case filter.I386: // struct stat64, arch/x86/include/uapi/asm/stat.h
		return put(96, 0, s.Dev, 12, uint32(s.Ino), 16, s.Mode, 20, uint32(s.Nlink), 24, s.UID, 28, s.GID, 32, s.Rdev, 44, uint64(s.Size), 52, uint32(s.Blksize),
			56, uint64(s.Blocks), 64, uint32(t[0]), 68, uint32(t[1]), 72, uint32(t[2]), 76, uint32(t[3]), 80, uint32(t[4]), 84, uint32(t[5]), 88, s.Ino), true
	case filter.ARM: // struct stat64, arch/arm/include/uapi/asm/stat.h
		return put(104, 0, s.Dev, 12, uint32(s.Ino), 16, s.Mode, 20, uint32(s.Nlink), 24, s.UID, 28, s.GID, 32, s.Rdev, 48, uint64(s.Size), 56, uint32(s.Blksize),
			64, uint64(s.Blocks), 72, uint32(t[0]), 76, uint32(t[1]), 80, uint32(t[2]), 84, uint32(t[3]), 88, uint32(t[4]), 92, uint32(t[5]), 96, s.Ino), true
	}
	return nil, false
}

func (s Stat) times() (t [6]uint64) {
	for i, v := range [][2]int64{s.Atime, s.Mtime, s.Ctime} {
		t[2*i], t[2*i+1] = uint64(v[0]), uint64(v[1])
	}
	return t
}
