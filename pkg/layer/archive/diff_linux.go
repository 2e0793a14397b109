// SPDX-License-Identifier: MPL-2.0

package archive

import (
	"archive/tar"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/carosio/carosbuild/pkg/beneath"
	"github.com/carosio/carosbuild/pkg/oci"
)

// Names of image-spec layer.md, "Whiteouts".
const (
	WhiteoutPrefix = ".wh."
	WhiteoutOpaque = ".wh..wh..opq"
	whiteoutMeta   = ".wh..wh."
)

// DiffOptions say how an upper directory becomes a tar stream.
type DiffOptions struct {
	Format Format
	Lowers []string // the layers below upper, top first
	Clamp  *int64   // latest mtime, in seconds since 1970
	Root   bool     // write an entry for the root directory
	Limit  int64    // bytes of the stream
	Strip  bool     // remove attributes from upper that no layer may have
}

// differ walks an upper directory.
type differ struct {
	DiffOptions
	split *splitter
	tw    *tar.Writer
	links map[inode]string // first names of files with several
	held  []held           // directories on the way down that have no entry yet
	ids   map[unixIDs]bool
	sums  CRCs
	buf   []byte
	n     int
}

type inode struct{ dev, ino uint64 }

// held is a directory whose entry waits until something needs it: overlay copies a
// directory up when anything in it is touched, and if only its times differ in the end,
// it gets no entry.
type held struct {
	header *tar.Header
	dir    *beneath.Dir // the parent
	name   string
	st     *unix.Stat_t
}

type unixIDs struct{ uid, gid uint32 }

// Result describes the stream.
type Result struct {
	DiffID  oci.Digest
	Size    int64 // bytes
	Entries int
	UIDs    []uint32 // owners, ascending
	GIDs    []uint32
	Sums    CRCs
}

// Diff writes the tar-split of the tar stream of upper. Entries are sorted by name,
// depth first. Times are whole seconds; they are set in upper, too, so that the layer's
// files and its stream agree. Unchanged files are removed from upper: files that were
// written with the content that they had, and empty directories that differ in times
// only. So are sockets, which tar does not have.
func Diff(upper string, record io.Writer, o DiffOptions) (Result, error) {
	split := newSplitter(record)
	defer split.end()
	d := &differ{
		DiffOptions: o, split: split, tw: tar.NewWriter(split), links: map[inode]string{},
		ids: map[unixIDs]bool{}, sums: CRCs{}, buf: make([]byte, 256<<10),
	}
	fd, err := unix.Open(upper, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC|unix.O_NOFOLLOW, 0)
	if err != nil {
		return Result{}, fmt.Errorf("open %s: %w", upper, err)
	}
	defer unix.Close(fd)
	st, err := o.Format.stat(fd)
	if err != nil {
		return Result{}, fmt.Errorf("stat %s: %w", upper, err)
	}
	if o.Root {
		xattrs, _, err := readXattrs(fd, "", &st, d.Format, d.Strip, d.buf)
		if err != nil {
			return Result{}, err
		}
		if err := d.emit(fd, ".", "./", &st, xattrs, &tar.Header{Typeflag: tar.TypeDir}); err != nil {
			return Result{}, err
		}
	}
	d.ids[unixIDs{st.Uid, st.Gid}] = true
	below := visibleRoot(o.Lowers, o.Format)
	defer below.rest()
	if err := d.dir(beneath.Root(fd), below); err != nil {
		return Result{}, err
	}
	if err := d.tw.Close(); err != nil {
		return Result{}, fmt.Errorf("end tar stream: %w", err)
	}
	return d.result()
}

func (d *differ) result() (Result, error) {
	r := Result{Entries: d.n, Sums: d.sums}
	for id := range d.ids {
		r.UIDs, r.GIDs = append(r.UIDs, id.uid), append(r.GIDs, id.gid)
	}
	slices.Sort(r.UIDs)
	slices.Sort(r.GIDs)
	r.UIDs, r.GIDs = slices.Compact(r.UIDs), slices.Compact(r.GIDs)
	var err error
	r.DiffID, r.Size, err = d.split.finish()
	return r, err
}

// dir writes the contents of a directory. Below is that directory in the layers below.
func (d *differ) dir(dir *beneath.Dir, below *visible) error {
	fd, err := dir.FD()
	if err != nil {
		return fmt.Errorf("open %s: %w", shown(dir.Path()), err)
	}
	names, err := beneath.Names(fd)
	if err != nil {
		return fmt.Errorf("list %s: %w", shown(dir.Path()), err)
	}
	for _, name := range names {
		if err := d.entry(dir, below, name); err != nil {
			return err
		}
	}
	return nil
}

func (d *differ) entry(dir *beneath.Dir, below *visible, name string) error {
	full := dir.Join(name)
	fd, err := dir.FD()
	if err != nil {
		return fmt.Errorf("open %s: %w", shown(dir.Path()), err)
	}
	st, err := StatAt(fd, name, d.Format)
	if err != nil {
		return fmt.Errorf("stat %s: %w", shown(full), err)
	}
	if len(full) > maxMember {
		return fmt.Errorf("%s...: %w", shown(full[:64]), errLongPath)
	}
	if strings.HasPrefix(name, WhiteoutPrefix) {
		return fmt.Errorf("%s: a layer cannot hold names that begin with %s", shown(full), WhiteoutPrefix)
	}
	if same, err := d.unchanged(fd, below, name, full, &st); same || err != nil {
		return err
	}
	h := &tar.Header{}
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFDIR:
		return d.directory(dir, below, name, full, &st)
	case unix.S_IFREG:
		return d.file(fd, name, full, &st)
	case unix.S_IFSOCK:
		return d.remove(fd, name, full, 0)
	case unix.S_IFLNK:
		n, err := unix.Readlinkat(fd, name, d.buf)
		if err != nil {
			return fmt.Errorf("read link %s: %w", shown(full), err)
		}
		h.Typeflag, h.Linkname = tar.TypeSymlink, string(d.buf[:n])
	case unix.S_IFIFO:
		h.Typeflag = tar.TypeFifo
	case unix.S_IFCHR:
		if st.Rdev == 0 {
			return d.whiteout(dir.Join(WhiteoutPrefix+name), &st)
		}
		h.Typeflag = tar.TypeChar
		h.Devmajor, h.Devminor = int64(unix.Major(st.Rdev)), int64(unix.Minor(st.Rdev))
	case unix.S_IFBLK:
		h.Typeflag = tar.TypeBlock
		h.Devmajor, h.Devminor = int64(unix.Major(st.Rdev)), int64(unix.Minor(st.Rdev))
	default:
		return fmt.Errorf("%s: unknown file type %o", shown(full), st.Mode)
	}
	if linked, err := d.linked(full, &st); linked || err != nil {
		return err
	}
	xattrs, _, err := readXattrs(fd, name, &st, d.Format, d.Strip, d.buf)
	if err != nil {
		return fmt.Errorf("%s: %w", shown(full), err)
	}
	return d.emit(fd, name, full, &st, xattrs, h)
}

func (d *differ) directory(parent *beneath.Dir, above *visible, name, full string, st *unix.Stat_t) error {
	dir, err := parent.Enter(name)
	if err != nil {
		return fmt.Errorf("open %s: %w", shown(full), err)
	}
	defer dir.Close()
	fd, err := dir.FD()
	if err != nil {
		return fmt.Errorf("open %s: %w", shown(full), err)
	}
	xattrs, opaque, err := readXattrs(fd, "", st, d.Format, d.Strip, d.buf)
	if err != nil {
		return fmt.Errorf("%s: %w", shown(full), err)
	}
	h := d.header(full+"/", st, xattrs, &tar.Header{Typeflag: tar.TypeDir})
	depth := len(d.held)
	d.held = append(d.held, held{h, parent, name, st})
	below, err := above.enter(name)
	if err != nil {
		return err
	}
	defer below.rest()
	// Overlay marks every new directory as opaque, which costs it nothing; the stream
	// marks only those that hide something.
	if opaque && !below.empty() {
		if err := d.whiteout(full+"/"+WhiteoutOpaque, st); err != nil {
			return err
		}
	}
	if opaque {
		below.rest()
		below = &visible{rel: full}
	}
	parent.Rest()
	above.rest()
	if err := d.dir(dir, below); err != nil {
		return err
	}
	if len(d.held) <= depth {
		return nil // written
	}
	same, err := d.sameBelow(below, st, xattrs)
	if err != nil {
		return fmt.Errorf("%s: %w", shown(full), err)
	}
	if !same {
		return d.release()
	}
	d.held = d.held[:depth]
	return d.drop(parent, name, full)
}

// sameBelow reports whether the lower directory has the same metadata, except for times.
func (d *differ) sameBelow(below *visible, st *unix.Stat_t, xattrs map[string]string) (bool, error) {
	if below.empty() {
		return false, nil
	}
	fd, lower, err := below.stat()
	if err != nil || st.Mode != lower.Mode || st.Uid != lower.Uid || st.Gid != lower.Gid {
		return false, err
	}
	theirs, _, err := Xattrs(fd, "", &lower, d.Format, d.buf)
	return err == nil && maps.Equal(xattrs, theirs), err
}

// unchanged removes a file from upper if it is the same in the layers below, and reports
// whether it was. A file with several names is kept, since its names belong together.
func (d *differ) unchanged(dir int, below *visible, name, full string, st *unix.Stat_t) (bool, error) {
	kind := st.Mode & unix.S_IFMT
	if below.empty() || kind == unix.S_IFDIR || kind == unix.S_IFSOCK || st.Nlink > 1 || isWhiteout(st) {
		return false, nil
	}
	lower, ok, err := below.lookup(name)
	if !ok || err != nil {
		return false, err
	}
	c := comparer{d.Format, d.Clamp, d.buf}
	same, err := c.same(dir, name, st, below.fds[lower.layer], &lower.st)
	if !same || err != nil {
		return false, err
	}
	return true, d.remove(dir, name, full, 0)
}

// remove removes a name from a directory of upper and keeps the directory's time.
func (d *differ) remove(dir int, name, full string, flags int) error {
	var st unix.Stat_t
	if err := unix.Fstat(dir, &st); err != nil {
		return fmt.Errorf("%s: %w", shown(full), err)
	}
	if err := unix.Unlinkat(dir, name, flags); err != nil {
		return fmt.Errorf("remove %s: %w", shown(full), err)
	}
	return d.setTime(dir, ".", full, &st, time.Unix(int64(st.Mtim.Sec), int64(st.Mtim.Nsec)))
}

// drop removes an empty directory.
func (d *differ) drop(dir *beneath.Dir, name, full string) error {
	parent, err := dir.FD()
	if err != nil {
		return fmt.Errorf("open %s: %w", shown(dir.Path()), err)
	}
	return d.remove(parent, name, full, unix.AT_REMOVEDIR)
}

// release writes the entries of the directories on the way down.
func (d *differ) release() error {
	for len(d.held) > 0 {
		h := d.held[0]
		d.held = d.held[1:]
		fd, err := h.dir.FD()
		if err != nil {
			return fmt.Errorf("open %s: %w", shown(h.dir.Path()), err)
		}
		err = d.setTime(fd, h.name, h.header.Name, h.st, h.header.ModTime)
		h.dir.Rest()
		if err != nil {
			return err
		}
		if err := d.write(h.header); err != nil {
			return err
		}
	}
	return nil
}

// linked writes a hard link if the inode has been written under another name.
func (d *differ) linked(full string, st *unix.Stat_t) (bool, error) {
	if st.Nlink < 2 {
		return false, nil
	}
	key := inode{uint64(st.Dev), st.Ino}
	first, ok := d.links[key]
	if !ok {
		d.links[key] = full
		return false, nil
	}
	if err := d.release(); err != nil {
		return true, err
	}
	return true, d.write(&tar.Header{
		Typeflag: tar.TypeLink, Name: full, Linkname: first,
		Mode: int64(st.Mode & 0o7777), Uid: int(st.Uid), Gid: int(st.Gid), ModTime: d.time(st),
	})
}

func (d *differ) file(parent int, name, full string, st *unix.Stat_t) error {
	if linked, err := d.linked(full, st); linked || err != nil {
		return err
	}
	f, err := openRegular(parent, name)
	if err != nil {
		return fmt.Errorf("open %s: %w", shown(full), err)
	}
	defer f.Close()
	xattrs, _, err := readXattrs(parent, name, st, d.Format, d.Strip, d.buf)
	if err != nil {
		return fmt.Errorf("%s: %w", shown(full), err)
	}
	if err := d.emit(parent, name, full, st, xattrs, &tar.Header{Typeflag: tar.TypeReg, Size: st.Size}); err != nil {
		return err
	}
	if st.Size == 0 {
		return nil
	}
	d.split.beginFile()
	n, err := io.CopyBuffer(d.tw, io.LimitReader(f, st.Size), d.buf)
	if err == nil && n != st.Size {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return fmt.Errorf("read %s: %w", shown(full), err)
	}
	d.split.endFile(full)
	d.sums[st.Ino] = d.split.crc32.Sum32()
	return nil
}

func (d *differ) whiteout(name string, st *unix.Stat_t) error {
	if err := d.release(); err != nil {
		return err
	}
	return d.write(&tar.Header{Typeflag: tar.TypeReg, Name: name, ModTime: d.time(st)})
}
