// SPDX-License-Identifier: MPL-2.0

package erofs

import (
	"bytes"
	"encoding/binary"
	"testing"

	"github.com/carosio/carosbuild/pkg/disk/tree"
)

// rawDir is a directory of a rawFS: the place of its blocks, and its size.
type rawDir struct{ block, size int }

// rawFS is a file system that no program makes, consisting of directories alone:
// their node ids are their indices, and 0 is the root.
func rawFS(t *testing.T, log int, dirs []rawDir, blocks []byte) *FS {
	t.Helper()
	size := 1 << log
	meta := (superOffset+superSize)/size + 1
	data := meta + len(dirs)*compactSize/size + 1
	img := make([]byte, data*size, data*size+len(blocks))
	s := superblock{Magic: magic, BlockLog: uint8(log), Inodes: uint64(len(dirs)), Blocks: uint32(data + len(blocks)/size), MetaBlock: uint32(meta)}
	copy(img[superOffset:], s.bytes())
	for i, d := range dirs {
		var b bytes.Buffer
		binary.Write(&b, le, compactInode{Mode: tree.Dir | 0o755, Links: 9, Size: uint32(d.size), Place: uint32(data + d.block)})
		copy(img[meta*size+i*compactSize:], b.Bytes())
	}
	img = append(img, blocks...)
	f, err := Open(bytes.NewReader(img), int64(len(img)))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// rawBlock is a full block of a directory.
func rawBlock(log int, names ...dirent) []byte {
	b := make([]byte, 1<<log)
	at := direntSize * len(names)
	for i, x := range names {
		p := b[direntSize*i:]
		le.PutUint64(p, x.nid)
		le.PutUint16(p[8:], uint16(at))
		p[10] = fileType(tree.Dir)
		at += copy(b[at:], x.name)
	}
	return b
}
