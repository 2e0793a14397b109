// SPDX-License-Identifier: MPL-2.0

package archive

import (
	"archive/tar"
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/carosio/carosbuild/pkg/oci"
)

// ApplyOptions say where a tar stream goes.
type ApplyOptions struct {
	Root    string                   // an empty directory
	Aside   string                   // directory for files that a later member replaces; made when needed
	Scratch func() (*os.File, error) // opens a file without a name
	Lowers  []string                 // the layers below, top first
	Format  Format                   // of the directories
	IDs     *IDMaps                  // that files may belong to; nil: any
	Limits  oci.Limits
}

// extractor unpacks one tar stream.
type extractor struct {
	ApplyOptions
	split *splitter
	rootf int // descriptor of root
	buf   []byte

	lastDir string // cache of parent: the directory's name in the stream,
	lastFD  int    // an open descriptor or -1,
	lastRel string // and its path below root
	stale   bool   // something was replaced: lastDir may have moved

	dirs    map[string]*tar.Header // directories and their metadata, set at the end
	files   map[string]int         // positions of stored files in the tar record
	devices map[string]bool        // device nodes, which are not made
	owners  map[unixIDs]bool
	sums    CRCs
	sparse  int64                    // bytes of sparse files
	moved   map[int]string           // current paths of replaced files, by position in the record
	movedN  int64                    // bytes of these
	trees   int                      // replaced directories
	hides   map[whiteout]*tar.Header // whiteouts, applied at the end
	opaque  map[string]bool          // directories marked as opaque
	hideAll bool                     // opaque marker in the root directory
}

// Apply unpacks a stream and writes its tar-split to record. It returns the record to
// use; if that is a different file, record is closed.
func Apply(ctx context.Context, r io.Reader, record *os.File, o ApplyOptions) (Result, *os.File, error) {
	fd, err := unix.Open(o.Root, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return Result{}, record, err
	}
	defer unix.Close(fd)
	x := &extractor{
		ApplyOptions: o, split: newSplitter(record), rootf: fd, buf: make([]byte, 256<<10), lastFD: -1,
		dirs: map[string]*tar.Header{}, files: map[string]int{}, devices: map[string]bool{}, owners: map[unixIDs]bool{}, sums: CRCs{}, moved: map[int]string{},
		hides: map[whiteout]*tar.Header{}, opaque: map[string]bool{},
	}
	defer x.split.end()
	defer x.forgetParent()
	if err := x.run(ctx, until(ctx, r)); err != nil {
		return Result{}, record, err
	}
	res := Result{Entries: 1, Sums: x.sums}
	if res.DiffID, res.Size, err = x.split.finish(); err != nil {
		return Result{}, record, err
	}
	for id := range x.owners {
		res.UIDs, res.GIDs = append(res.UIDs, id.uid), append(res.GIDs, id.gid)
	}
	slices.Sort(res.UIDs)
	slices.Sort(res.GIDs)
	res.UIDs, res.GIDs = slices.Compact(res.UIDs), slices.Compact(res.GIDs)
	if len(x.moved) > 0 {
		record, err = x.inlineMoved(record)
	}
	return res, record, err
}

// until is a reader that ends with ctx.
func until(ctx context.Context, r io.Reader) io.Reader {
	return readerFunc(func(p []byte) (int, error) {
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		return r.Read(p)
	})
}

// readerFunc is an io.Reader from a function.
type readerFunc func(p []byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// tee passes what it reads to the splitter.
type tee struct {
	x *extractor
	r io.Reader
}

func (t *tee) Read(p []byte) (int, error) {
	n, err := t.r.Read(p)
	if n > 0 {
		if _, err := t.x.split.Write(p[:n]); err != nil {
			return n, err
		}
		if t.x.split.size > t.x.Limits.LayerBytes {
			return n, fmt.Errorf("more than %d bytes", t.x.Limits.LayerBytes)
		}
	}
	return n, err
}

func (x *extractor) run(ctx context.Context, r io.Reader) error {
	raw := &tee{x, bufio.NewReaderSize(r, 256<<10)}
	tr := tar.NewReader(raw)
	for {
		h, err := tr.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return fmt.Errorf("read tar stream: %w", err)
		}
		if err := x.member(ctx, h, tr); err != nil {
			return fmt.Errorf("member %q: %w", h.Name, err)
		}
	}
	// A tar stream may be followed by padding, which is part of the digest.
	n, err := io.CopyBuffer(io.Discard, io.LimitReader(onlyReader{raw}, x.Limits.Inline+1), x.buf)
	if err != nil {
		return fmt.Errorf("read tar stream: %w", err)
	}
	if n > x.Limits.Inline {
		return fmt.Errorf("more than %d bytes follow the tar stream", x.Limits.Inline)
	}
	if err := x.applyWhiteouts(); err != nil {
		return err
	}
	return x.finishDirs()
}

// maxMember is the longest path in a layer, in bytes: room for 10,000 levels. It exceeds
// the kernel's limit, since directories can be nested deeper than that, and there is a
// limit, since work and memory grow with the square of a path's length.
const maxMember = 20 << 10

var errLongPath = fmt.Errorf("its path is too long: the limit in a layer is %d bytes", maxMember)

type onlyReader struct{ io.Reader }

// MemberPath is a member's path below the root, "" for the root itself.
func MemberPath(name string) (string, error) {
	var parts []string
	for p := range strings.SplitSeq(name, "/") {
		switch p {
		case "", ".":
			continue
		case "..":
			return "", errors.New(`".." in a name`)
		}
		if strings.ContainsRune(p, 0) {
			return "", errors.New("NUL in a name")
		}
		parts = append(parts, p)
	}
	for i, p := range parts {
		if i < len(parts)-1 && strings.HasPrefix(p, WhiteoutPrefix) {
			return "", fmt.Errorf("directory %q has the name of a whiteout", p)
		}
	}
	return strings.Join(parts, "/"), nil
}

func (x *extractor) member(ctx context.Context, h *tar.Header, r io.Reader) error {
	if h.Typeflag == tar.TypeXGlobalHeader {
		return nil
	}
	rel, err := MemberPath(h.Name)
	if err != nil {
		return err
	}
	if err := checkHeader(h); err != nil {
		return err
	}
	if len(rel) > maxMember {
		return errLongPath
	}
	if rel == "" {
		if h.Typeflag != tar.TypeDir {
			return errors.New("the root must be a directory")
		}
		x.dirs[""] = h
		return nil
	}
	base := path.Base(rel)
	if strings.HasPrefix(base, WhiteoutPrefix) {
		if h.Size > x.Limits.Inline {
			return fmt.Errorf("a whiteout of %d bytes", h.Size)
		}
		return x.whiteout(h, ParentOf(rel), base)
	}
	if err := x.IDs.check(h); err != nil {
		return err
	}
	return x.create(ctx, h, rel, r)
}

// ParentOf is the parent directory of a path, "" for the root.
func ParentOf(rel string) string {
	if i := strings.LastIndexByte(rel, '/'); i >= 0 {
		return rel[:i]
	}
	return ""
}

// checkHeader refuses numbers that are out of range for any file.
func checkHeader(h *tar.Header) error {
	switch {
	case h.Uid < 0 || h.Gid < 0 || int64(h.Uid) >= math.MaxUint32 || int64(h.Gid) >= math.MaxUint32:
		return fmt.Errorf("owner %d:%d out of range", h.Uid, h.Gid)
	case h.Mode < 0 || h.Mode > 0o177777:
		return fmt.Errorf("mode %o out of range", h.Mode)
	case h.Size < 0:
		return fmt.Errorf("size %d out of range", h.Size)
	}
	return nil
}
