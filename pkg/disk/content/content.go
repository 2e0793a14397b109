// SPDX-License-Identifier: MPL-2.0

// Package content reads a tree from a file, in whatever form it is: a tar or cpio
// archive, an image of a file system of kind.Roots, or a partition of a disk; each
// of them compressed or not. What a file is depends on its content, never on its
// name. The same files give the same tree from each, as far as the format can store
// them.
package content

import (
	"archive/tar"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/carosio/carosbuild/pkg/ctxio"
	"github.com/carosio/carosbuild/pkg/disk"
	"github.com/carosio/carosbuild/pkg/disk/cpio"
	"github.com/carosio/carosbuild/pkg/disk/inspect"
	diskkind "github.com/carosio/carosbuild/pkg/disk/kind"
	"github.com/carosio/carosbuild/pkg/disk/tree"
)

// Source is a file that contains a tree.
type Source struct {
	Name    string      // for messages
	Content io.ReaderAt // safe for concurrent use; used as long as the tree's contents are
	Size    int64
	// Scratch makes an empty file for decompressed data, which has to stay open as
	// long as the tree's contents are used.
	Scratch func() (*os.File, error)

	most int64 // largest decompressed size, 0 for maxUnpacked
}

// maxUnpacked bounds the decompressed size in bytes, holes included: zeros take no
// space, but minutes of time.
const maxUnpacked = 256 << 30

// Options of Tree.
type Options struct {
	Partition string // partition of a disk: number, name or label; "" for the one with the system
	Clamp     int64  // later times, in seconds since 1970, are replaced by it; 0 leaves them
	Jobs      int    // how many contents are read at a time
}

// ErrKind is the error for a file that is of no kind that can contain a tree.
var ErrKind = errors.New("it is neither an archive (tar, or cpio of the format newc) nor an image of a file system (" + strings.Join(diskkind.Roots(), ", ") + ") or of a disk")

// ChoiceError is the error for a disk whose partition has to be named.
type ChoiceError = inspect.ChoiceError

// Tree reads a whole source, and returns the tree only if all of it is intact.
func (s Source) Tree(ctx context.Context, o Options) (*tree.Tree, error) {
	t, err := s.tree(ctx, o)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", s.Name, err)
	}
	return t, nil
}

func (s Source) tree(ctx context.Context, o Options) (*tree.Tree, error) {
	s, err := s.Unpack(ctx)
	if err != nil {
		return nil, err
	}
	kind, err := s.kind()
	if err != nil {
		return nil, err
	}
	if kind != imageFile && o.Partition != "" {
		return nil, fmt.Errorf("partition %q is asked for, but it is an archive, not a disk", o.Partition)
	}
	switch kind {
	case tarArchive:
		l := tree.Layer{Name: "tar archive", Tar: s.Content, Size: s.Size, Plain: true}
		return tree.Merge(ctx, []tree.Layer{l}, o.Clamp, o.Jobs)
	case cpioArchive:
		return cpio.Read(ctx, s.Content, s.Size, o.Clamp, o.Jobs)
	}
	t, err := s.image(ctx, o.Partition)
	if err != nil {
		return nil, err
	}
	return t.Canonical(ctx, o.Clamp, o.Jobs)
}

// image is the tree of a file system or disk.
func (s Source) image(ctx context.Context, partition string) (*tree.Tree, error) {
	opened, err := disk.OpenAt(s.Content, s.Size)
	if err != nil {
		return nil, err
	}
	d, err := inspect.Open(opened)
	if errors.Is(err, inspect.ErrNoDisk) {
		return nil, ErrKind
	}
	if err != nil {
		return nil, err
	}
	return d.System(ctx, partition)
}

type kind int

const (
	imageFile kind = iota // of a file system or disk, or nothing that is known
	tarArchive
	cpioArchive
)

// kind recognises the kind by the first bytes. An OVA is a tar archive that begins
// with a descriptor; a tar archive older than ustar is recognised by its header's
// checksum.
func (s Source) kind() (kind, error) {
	head := make([]byte, 512)
	n, err := s.Content.ReadAt(head, 0)
	if err != nil && err != io.EOF {
		return 0, err
	}
	head = head[:n]
	if n == 0 {
		return 0, errors.New("it is empty")
	}
	if cpio.Detect(head) {
		return cpioArchive, nil
	}
	for _, c := range unreadCompressions {
		if strings.HasPrefix(string(head), c.magic) {
			return 0, fmt.Errorf("it is compressed with %s, which is not read: gzip, xz, zstd, bzip2 and lz4 are", c.name)
		}
	}
	h, err := tar.NewReader(io.NewSectionReader(s.Content, 0, s.Size)).Next()
	switch {
	case err == nil && strings.HasSuffix(h.Name, ".ovf"):
		return imageFile, nil
	case err == nil || n == 512 && string(head[257:262]) == "ustar":
		return tarArchive, nil
	}
	return imageFile, nil
}

// unreadCompressions are compressions that Yocto supports, and that are not read.
var unreadCompressions = []struct{ magic, name string }{
	{"\x89LZO\x00\r\n\x1a\n", "lzop"},
	{"LZIP", "lzip"},
	{"\x5d\x00\x00", "lzma"},
}

// Unpack returns the source decompressed, for several trees from it. A file that is
// compressed twice is refused, so that the result is never decompressed again.
func (s Source) Unpack(ctx context.Context) (Source, error) {
	in, packed, err := disk.Decompress(io.NewSectionReader(s.Content, 0, s.Size))
	if err != nil || !packed {
		return s, err
	}
	f, err := s.Scratch()
	if err != nil {
		return s, err
	}
	n, err := disk.CopySparse(f, ctxio.Reader(ctx, in), cmp.Or(s.most, maxUnpacked))
	if err != nil {
		return s, fmt.Errorf("unpack: %w", err)
	}
	if _, packed, err := disk.Decompress(io.NewSectionReader(f, 0, n)); packed {
		return s, errors.New("it is compressed twice: unpack it once beforehand")
	} else if err != nil {
		return s, err
	}
	s.Content, s.Size = f, n
	return s, nil
}
