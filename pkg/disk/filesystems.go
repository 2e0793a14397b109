// SPDX-License-Identifier: MPL-2.0

package disk

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/carosio/carosbuild/pkg/disk/damage"
	"github.com/carosio/carosbuild/pkg/disk/erofs"
	"github.com/carosio/carosbuild/pkg/disk/ext4"
	"github.com/carosio/carosbuild/pkg/disk/fat"
	"github.com/carosio/carosbuild/pkg/disk/image"
	"github.com/carosio/carosbuild/pkg/disk/kind"
	"github.com/carosio/carosbuild/pkg/disk/squashfs"
	"github.com/carosio/carosbuild/pkg/disk/swap"
	"github.com/carosio/carosbuild/pkg/disk/tree"
	"github.com/carosio/carosbuild/pkg/disk/uuid"
	"github.com/carosio/carosbuild/pkg/disk/verity"
)

// FS is a file system that has been opened for reading.
type FS interface {
	Kind() string
	Label() string
	ID() string
	Usage() (size, used int64, err error)
	End() int64 // bytes of the device that it occupies
	Tree() (*tree.Tree, error)
	Check(ctx context.Context) []damage.Problem
}

// Magic is a text at an offset by which a kind of content is recognised.
type Magic struct {
	Off  int64
	Text string
}

// FileSystem describes what a file system can hold, and has the code for it.
type FileSystem struct {
	kind.FileSystem
	// HoldsXattr reports whether an extended attribute of that name can be stored;
	// nil: none can.
	HoldsXattr func(name string) bool
	// Open opens one on a device of size bytes; nil: it has no files.
	Open func(r io.ReaderAt, size int64) (FS, error)
	// Magics are texts by any of which it is recognised. With Sure one of them is
	// sufficient; otherwise Open has to succeed as well.
	Magics []Magic
	Sure   bool
	// Else names the content if it has the magic but cannot be opened, or returns
	// ""; nil: no such content.
	Else func(r io.ReaderAt) string
	// Identity returns label and UUID if there is no Open.
	Identity func(r io.ReaderAt) (label, uuid string)
	BootCode [2]int64 // from, to: space for a boot loader's code

	early bool // its size is known only after it is made
	free  bool // its least size includes the free space
	least func(m making, free int64) (int64, error)
	build func(ctx context.Context, m making) (*image.Image, error)
}

// making has what a file system is made from.
type making struct {
	*part
	spec  *Spec
	parts []*part
	tree  *tree.Tree // nil if it has no files
}

// FileSystems are all file systems, those of package kind in the same order.
func FileSystems() []FileSystem {
	var all []FileSystem
	for _, s := range fileSystems() {
		k, ok := kind.ByName(s.Name)
		if !ok {
			panic("no kind " + s.Name)
		}
		s.FileSystem = k
		all = append(all, s)
	}
	return all
}

// fileSystems has the code by name. A new file system is one more value here, and
// one in package kind.
func fileSystems() []FileSystem {
	return []FileSystem{
		{
			FileSystem: named("ext4"), HoldsXattr: ext4.HoldsXattr, Open: opener(ext4.Open), Magics: []Magic{{1080, "\x53\xef"}},
			Else: journalOnly, BootCode: [2]int64{0, 1024}, free: true, least: leastExt4, build: buildExt4,
		},
		{
			FileSystem: named("fat32"), Open: opener(fat.Open), Magics: []Magic{{82, "FAT32"}, {54, "FAT1"}},
			Else: func(io.ReaderAt) string { return "fat" }, BootCode: [2]int64{90, 510}, least: leastFAT(32), build: buildFAT(32),
		},
		{FileSystem: named("fat16"), BootCode: [2]int64{62, 510}, least: leastFAT(16), build: buildFAT(16)},
		{
			FileSystem: named("squashfs"), HoldsXattr: squashfs.HoldsXattr, Open: opener(squashfs.Open), Magics: []Magic{{0, "hsqs"}}, Sure: true,
			early: true, least: leastImage, build: buildSquashfs,
		},
		{
			FileSystem: named("erofs"), HoldsXattr: erofs.HoldsXattr, Open: opener(erofs.Open), Magics: []Magic{{1024, "\xe2\xe1\xf5\xe0"}}, Sure: true,
			least: leastErofs, build: buildErofs,
		},
		{FileSystem: named("swap"), Identity: identity(1036, 16), least: leastImage, build: buildSwap},
		{FileSystem: named("verity"), Identity: identity(16, 0), least: leastVerity, build: buildVerity},
	}
}

func named(name string) kind.FileSystem { return kind.FileSystem{Name: name} }

// opener converts a package's Open function for the table.
func opener[T FS](open func(io.ReaderAt, int64) (T, error)) func(io.ReaderAt, int64) (FS, error) {
	return func(r io.ReaderAt, size int64) (FS, error) {
		f, err := open(r, size)
		if err != nil {
			return nil, err
		}
		return f, nil
	}
}

// FileSystemOf is the file system of a kind, or one without a name.
func FileSystemOf(name string) FileSystem {
	for _, s := range FileSystems() {
		if s.Name == name || slices.Contains(s.Older, name) {
			return s
		}
	}
	return FileSystem{}
}

// Claims reports whether one of its magics is present.
func (s FileSystem) Claims(r io.ReaderAt) bool {
	return slices.ContainsFunc(s.Magics, func(m Magic) bool {
		b := make([]byte, len(m.Text))
		n, _ := r.ReadAt(b, m.Off)
		return n == len(b) && string(b) == m.Text
	})
}

// Xattr reports whether an extended attribute of that name can be stored.
func (s FileSystem) Xattr(name string) bool { return s.HoldsXattr != nil && s.HoldsXattr(name) }

// journalOnly recognises the ext4 superblock of a device that has only another file
// system's journal.
func journalOnly(r io.ReaderAt) string {
	b := make([]byte, 1)
	if n, _ := r.ReadAt(b, 1024+0x60); n == 1 && b[0]&8 != 0 {
		return "jbd"
	}
	return ""
}

// identity reads a UUID and, after it, a label of so many bytes, as blkid does.
func identity(off int64, label int) func(r io.ReaderAt) (string, string) {
	return func(r io.ReaderAt) (string, string) {
		b := make([]byte, 16+label)
		if n, _ := r.ReadAt(b, off); n < len(b) {
			return "", ""
		}
		label, _, _ := strings.Cut(string(b[16:]), "\x00")
		return label, uuid.UUID(b).String()
	}
}

func leastExt4(m making, free int64) (int64, error) {
	o := m.ext4Options(m.spec)
	o.Free = free
	return ext4.MinSize(m.tree, o)
}

func buildExt4(_ context.Context, m making) (*image.Image, error) {
	o := m.ext4Options(m.spec)
	o.Size = m.slot.Size
	return ext4.Build(m.tree, o)
}

func leastFAT(bits int) func(making, int64) (int64, error) {
	return func(m making, _ int64) (int64, error) { return fat.MinSize(m.tree, m.fatOptions(m.spec, bits)) }
}

func buildFAT(bits int) func(context.Context, making) (*image.Image, error) {
	return func(_ context.Context, m making) (*image.Image, error) {
		return fat.Build(m.tree, m.fatOptions(m.spec, bits))
	}
}

func buildSquashfs(ctx context.Context, m making) (*image.Image, error) {
	spool, err := m.spec.spool()
	if err != nil {
		return nil, err
	}
	return squashfs.Build(ctx, m.tree, spool, squashfs.Options{
		Time: m.spec.Time, Compression: squashfs.Compression(m.Compression), Workers: m.spec.Workers,
	})
}

func (m making) erofsOptions() erofs.Options {
	return erofs.Options{Label: m.Label, UUID: m.uuid, Time: m.spec.Time}
}

func leastErofs(m making, _ int64) (int64, error) { return erofs.MinSize(m.tree, m.erofsOptions()) }

func buildErofs(_ context.Context, m making) (*image.Image, error) {
	return erofs.Build(m.tree, m.erofsOptions())
}

func buildSwap(_ context.Context, m making) (*image.Image, error) {
	return swap.Build(m.slot.Size, m.Label, m.uuid)
}

func leastVerity(m making, _ int64) (int64, error) {
	data, err := m.verified(m.parts)
	if err != nil {
		return 0, err
	}
	if data.size.Rest {
		return 0, fmt.Errorf("its size follows from that of %s, which takes the rest of the disk: give one of them a size", data)
	}
	n, err := data.bytes(m.spec, m.parts)
	if err != nil {
		return 0, err
	}
	return verity.Size(roundUp(n, 512)), nil
}

// leastImage is the size of content that exists already.
func leastImage(m making, _ int64) (int64, error) {
	from := m.image
	if from == nil {
		from = m.Raw
	}
	if from == nil {
		return 0, fmt.Errorf("the size cannot be derived: give the disk or the partition a size, or the partition content")
	}
	return from.Size(), nil
}
