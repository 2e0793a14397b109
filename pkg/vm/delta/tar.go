// SPDX-License-Identifier: MPL-2.0

package delta

import (
	"archive/tar"
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/carosio/carosbuild/pkg/disk/tree"
)

// Names of image-spec layer.md, "Whiteouts", and the prefix of the PAX record of an extended
// attribute.
const (
	whiteoutPrefix = ".wh."
	paxXattr       = "SCHILY.xattr."
)

// TarOptions are options of a layer.
type TarOptions struct {
	Clamp *int64 // latest time, in seconds since 1970
}

// WriteTar writes changes as a layer of an image (image-spec layer.md): new and changed
// files, and whiteouts for removed ones. Times are whole seconds. A name that would be read
// as a whiteout is an error.
func WriteTar(ctx context.Context, w io.Writer, changes []Change, o TarOptions) error {
	t := &tarWriter{TarOptions: o, Writer: tar.NewWriter(w), first: map[string]*tar.Header{}}
	for _, c := range changes {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := t.change(c); err != nil {
			return fmt.Errorf("layer: /%s: %w", c.Path, err)
		}
	}
	return t.Close()
}

type tarWriter struct {
	TarOptions
	*tar.Writer
	first map[string]*tar.Header // files that others are links to
}

func (t *tarWriter) change(c Change) error {
	dir, base := "", c.Path
	if i := strings.LastIndexByte(c.Path, '/'); i >= 0 {
		dir, base = c.Path[:i+1], c.Path[i+1:]
	}
	switch {
	case strings.HasPrefix(base, whiteoutPrefix):
		return fmt.Errorf("a layer cannot hold names that begin with %s", whiteoutPrefix)
	case c.Removed:
		return t.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: dir + whiteoutPrefix + base, ModTime: t.time(0), Format: tar.FormatPAX})
	case c.Entry.Hardlink != "":
		h := *t.first[c.Entry.Hardlink]
		h.Typeflag, h.Name, h.Linkname, h.Size, h.PAXRecords = tar.TypeLink, c.Path, c.Entry.Hardlink, 0, nil
		return t.WriteHeader(&h)
	}
	h, err := t.header(c.Entry)
	if err != nil {
		return err
	}
	t.first[c.Path] = h
	if err := t.WriteHeader(h); err != nil || h.Size == 0 {
		return err
	}
	n, err := io.Copy(t, io.NewSectionReader(c.Entry.Content, 0, h.Size))
	if err == nil && n < h.Size {
		err = io.ErrUnexpectedEOF
	}
	return err
}

func (t *tarWriter) time(sec int64) time.Time {
	if t.Clamp != nil {
		sec = min(sec, *t.Clamp)
	}
	return time.Unix(sec, 0)
}

func (t *tarWriter) header(e *tree.Entry) (*tar.Header, error) {
	h := &tar.Header{
		Name: e.Path, Mode: int64(e.Mode & 0o7777), Uid: int(e.UID), Gid: int(e.GID), ModTime: t.time(e.Mtime), Format: tar.FormatPAX,
	}
	for name, value := range e.EachXattr() {
		if h.PAXRecords == nil {
			h.PAXRecords = map[string]string{}
		}
		h.PAXRecords[paxXattr+name] = string(value)
	}
	switch e.Type() {
	case tree.Dir:
		h.Typeflag = tar.TypeDir
		if h.Name += "/"; e.Path == "" {
			h.Name = "./"
		}
	case tree.Regular:
		h.Typeflag, h.Size = tar.TypeReg, e.Size
	case tree.Symlink:
		h.Typeflag, h.Linkname = tar.TypeSymlink, e.Link
	case tree.FIFO:
		h.Typeflag = tar.TypeFifo
	case tree.Char, tree.Block:
		h.Typeflag = tar.TypeChar
		if e.Type() == tree.Block {
			h.Typeflag = tar.TypeBlock
		}
		h.Devmajor, h.Devminor = int64(e.Rdev.Major), int64(e.Rdev.Minor)
	default:
		return nil, fmt.Errorf("unknown file type %o", e.Mode)
	}
	return h, nil
}
