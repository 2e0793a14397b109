// SPDX-License-Identifier: MPL-2.0

package ext4

import (
	"errors"
	"strings"

	"github.com/carosio/carosbuild/pkg/disk/damage"
)

// dirent is an entry of a directory.
type dirent struct {
	ino  uint32
	kind byte // as in direntType, 0 if the file system does not have it
	name string
}

// badName is why a name cannot be part of a path, or "".
func badName(name string) string {
	switch {
	case name == "":
		return "is empty"
	case strings.ContainsAny(name, "/\x00"):
		return "has a slash or a NUL"
	}
	return ""
}

// eachDirent calls f for the entries of a directory block. A block of an index
// looks like one unused entry.
func (f *FS) eachDirent(b []byte, each func(d dirent) error) error {
	for off := 0; off < len(b); {
		if len(b)-off < direntHeader {
			return formatError("%d bytes are left at the end of a directory block", len(b)-off)
		}
		e := b[off:]
		n, name := recordLength(le.Uint16(e[4:]), len(b)), int(e[6])
		kind := e[7]
		if f.s.Incompat&incompatFiletype == 0 {
			name |= int(kind) << 8
			kind = 0
		}
		if n < direntHeader || n%4 != 0 || n > len(e) || direntHeader+name > n {
			return formatError("a directory entry at byte %d of its block has %d bytes, its name %d", off, n, name)
		}
		if ino := le.Uint32(e); ino != 0 {
			if err := each(dirent{ino, kind & 0xF, string(e[direntHeader : direntHeader+name])}); err != nil {
				return err
			}
		}
		off += n
	}
	return nil
}

// recordLength decodes the length of an entry: lengths in blocks of 64 KiB do not
// fit into 16 bits.
func recordLength(n uint16, block int) int {
	if block == 1<<16 && (n == 0 || n == 1<<16-1) {
		return block
	}
	if block == 1<<16 {
		return int(n)&^3 | int(n)&3<<16
	}
	return int(n)
}

// dirBlocks calls f for the blocks of a directory.
func (f *FS) dirBlocks(n record, each func(logical, no int64, b []byte) error) error {
	if f.inline(n) {
		return nil
	}
	if n.size() <= 0 || n.size() > f.blocks*f.block {
		return formatError("a directory (inode %d) of %d bytes", n.ino, n.size())
	}
	w := walker{f: f, n: n, to: (n.size()-1)/f.block + 1, piece: func(p piece) (bool, error) {
		for i := range p.n {
			if (p.logical+i)*f.block >= n.size() {
				return false, nil
			}
			b, err := f.read(p.start + i)
			if err == nil {
				err = each(p.logical+i, p.start+i, b)
			}
			if err != nil {
				return false, err
			}
		}
		return true, nil
	}}
	return w.walk()
}

var errBudget = errors.New("directories have more blocks than the file system")

// dirents are the entries of a directory, except for . and .., in the order of its
// blocks. budget is how many more blocks, including holes, directories may have.
func (f *FS) dirents(n record, budget *int64) ([]dirent, error) {
	if *budget -= max(n.size(), 0) / f.block; *budget < 0 {
		return nil, errBudget
	}
	var out []dirent
	add := func(d dirent) error {
		if d.name != "." && d.name != ".." {
			out = append(out, d)
		}
		return nil
	}
	if n.flags()&flagEncrypted != 0 {
		return nil, damage.Unreadf("the directory is encrypted")
	}
	if f.inline(n) {
		err := f.inlineDirents(n, add)
		return out, err
	}
	err := f.dirBlocks(n, func(_, _ int64, b []byte) error { return f.eachDirent(b, add) })
	return out, err
}
