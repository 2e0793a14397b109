// SPDX-License-Identifier: MPL-2.0

package erofs

import (
	"context"
	"fmt"
	"strings"

	"github.com/carosio/carosbuild/pkg/disk/damage"
	"github.com/carosio/carosbuild/pkg/disk/rofs"
	"github.com/carosio/carosbuild/pkg/disk/tree"
)

// Kind is the kind of file system.
func (f *FS) Kind() string { return fsName }

// End is the end of the file system on its device, in bytes.
func (f *FS) End() int64 { return f.size }

// Label is the volume's name.
func (f *FS) Label() string {
	label, _, _ := strings.Cut(string(f.super.Label[:]), "\x00")
	return label
}

// ID is the UUID, or "".
func (f *FS) ID() string {
	u := f.super.UUID
	if u == [16]byte{} {
		return ""
	}
	return fmt.Sprintf("%x-%x-%x-%x-%x", u[:4], u[4:6], u[6:8], u[8:10], u[10:])
}

// Usage is the size of the file system in bytes, all of which is in use.
func (f *FS) Usage() (size, used int64, err error) { return f.size, f.size, nil }

// Check checks superblock, inodes and directories, and that the places of contents
// are valid. Contents have no checksums. If ctx ends early, it reports nothing.
func (f *FS) Check(ctx context.Context) []damage.Problem {
	b := f.walk(ctx)
	if ctx.Err() != nil {
		return nil
	}
	l := &b.problems
	if s := f.super; s.Compat&compatChecksum != 0 && f.sum != s.Checksum {
		l.Add("superblock", "its checksum is %08x, and says %08x", f.sum, s.Checksum)
	}
	dirs, compressed := map[uint64]uint32{}, 0 // number of subdirectories of each directory
	for _, n := range b.Found {
		if n.Entry.Type() == tree.Dir && n.Entry.Path != "" {
			dirs[n.up]++
		}
		if n.layout == layoutCompressed || n.layout == layoutCompressedFull {
			compressed++
		}
	}
	for _, n := range b.Found {
		if ctx.Err() != nil {
			return nil
		}
		want := b.names[n.ID]
		if n.Entry.Type() == tree.Dir {
			want = 2 + dirs[n.ID]
		}
		if n.Links != want {
			l.Add(rofs.Where(n.Entry.Path), "it has %d links, and says %d", want, n.Links)
		}
	}
	if compressed > 0 {
		l.AddUnread("contents", "%d files are compressed", compressed)
	}
	if got := uint64(len(b.names)); b.Err == nil && f.super.Incompat&^(incompatPadding|incompatChunks) == 0 && got != f.super.Inodes {
		l.Add("superblock", "there are %d inodes, and it says %d", got, f.super.Inodes)
	}
	return l.Problems()
}
