// SPDX-License-Identifier: MPL-2.0

package archive

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"strings"

	"golang.org/x/sys/unix"
)

// create creates the file that a member describes.
func (x *extractor) create(ctx context.Context, h *tar.Header, rel string, content io.Reader) error {
	at, dir, err := x.parent(ParentOf(rel), h)
	if err != nil {
		return err
	}
	name := path.Base(rel)
	rel = path.Join(dir, name)
	x.owners[unixIDs{uint32(h.Uid), uint32(h.Gid)}] = true
	switch h.Typeflag {
	case tar.TypeDir:
		return x.directory(h, at, rel, name)
	case tar.TypeLink:
		return x.link(h, at, rel, name)
	case tar.TypeChar, tar.TypeBlock:
		delete(x.dirs, rel)
		x.devices[rel] = true
		return x.retry(at, rel, name, func() error { return absent(at, name) })
	}
	delete(x.devices, rel)
	kind := uint32(unix.S_IFLNK)
	switch h.Typeflag {
	case tar.TypeReg, tar.TypeCont, tar.TypeGNUSparse:
		return x.file(ctx, h, at, rel, name, content)
	case tar.TypeSymlink:
		if h.Linkname == "" {
			return errors.New("a symbolic link without a target")
		}
		err = x.retry(at, rel, name, func() error { return unix.Symlinkat(h.Linkname, at, name) })
	case tar.TypeFifo:
		kind = unix.S_IFIFO
		err = x.retry(at, rel, name, func() error { return unix.Mknodat(at, name, unix.S_IFIFO|0o600, 0) })
	default:
		return fmt.Errorf("unknown type %q", h.Typeflag)
	}
	if err != nil {
		return err
	}
	return x.setMeta(at, name, kind, h)
}

// absent returns EEXIST if name exists.
func absent(at int, name string) error {
	var st unix.Stat_t
	err := unix.Fstatat(at, name, &st, unix.AT_SYMLINK_NOFOLLOW)
	switch err {
	case nil:
		return unix.EEXIST
	case unix.ENOENT:
		return nil
	}
	return err
}

// retry calls make. If something is in the way, it moves that aside and calls make again.
func (x *extractor) retry(at int, rel, name string, make func() error) error {
	err := make()
	if err != unix.EEXIST {
		return err
	}
	if err := x.replace(at, rel, name); err != nil {
		return err
	}
	return make()
}

func (x *extractor) directory(h *tar.Header, at int, rel, name string) error {
	delete(x.devices, rel)
	err := unix.Mkdirat(at, name, 0o700)
	if err == unix.EEXIST {
		var st unix.Stat_t
		if err := unix.Fstatat(at, name, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
			return err
		}
		switch {
		case st.Mode&unix.S_IFMT == unix.S_IFDIR:
			err = nil
		default:
			if err := x.replace(at, rel, name); err != nil {
				return err
			}
			err = unix.Mkdirat(at, name, 0o700)
		}
	}
	x.dirs[rel] = h
	return err
}

// link makes a hard link to an earlier member of the same stream.
func (x *extractor) link(h *tar.Header, at int, rel, name string) error {
	target, err := MemberPath(h.Linkname)
	if err != nil {
		return fmt.Errorf("hard link to %q: %w", h.Linkname, err)
	}
	if x.devices[target] {
		x.devices[rel] = true
		return x.retry(at, rel, name, func() error { return absent(at, name) })
	}
	delete(x.devices, rel)
	from, dir, err := x.openDir(ParentOf(target))
	if err != nil {
		return fmt.Errorf("hard link to %q: %w", h.Linkname, err)
	}
	defer unix.Close(from)
	base := path.Base(target)
	if target == "" || path.Join(dir, base) == rel {
		return fmt.Errorf("hard link to %q: the target cannot be linked", h.Linkname)
	}
	var st unix.Stat_t
	if err := unix.Fstatat(from, base, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return fmt.Errorf("hard link to %q: %w", h.Linkname, err)
	}
	if st.Mode&unix.S_IFMT == unix.S_IFDIR {
		return fmt.Errorf("hard link to %q: the target cannot be linked", h.Linkname)
	}
	err = x.retry(at, rel, name, func() error { return unix.Linkat(from, base, at, name, 0) })
	if err != nil {
		return fmt.Errorf("hard link to %q: %w", h.Linkname, err)
	}
	return nil
}

func (x *extractor) file(ctx context.Context, h *tar.Header, at int, rel, name string, content io.Reader) error {
	fd := -1
	err := x.retry(at, rel, name, func() (err error) {
		fd, err = unix.Openat(at, name, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o600)
		return err
	})
	if err != nil {
		return err
	}
	f := os.NewFile(uintptr(fd), rel)
	sparse, err := isSparse(h)
	if err == nil && sparse {
		err = x.sparseFile(ctx, f, h, content)
	}
	if err != nil {
		return errors.Join(err, f.Close())
	}
	if h.Size > 0 && !sparse {
		x.split.beginFile()
		n, err := io.CopyBuffer(onlyWriter{f}, onlyReader{content}, x.buf)
		if err == nil && n != h.Size {
			err = io.ErrUnexpectedEOF
		}
		if err != nil {
			return errors.Join(err, f.Close())
		}
		x.files[rel] = x.split.pos
		x.split.endFile(rel)
		var st unix.Stat_t
		if err := unix.Fstat(fd, &st); err != nil {
			return errors.Join(err, f.Close())
		}
		x.sums[st.Ino] = x.split.crc32.Sum32()
	}
	return errors.Join(x.setMeta(fd, "", unix.S_IFREG, h), f.Close())
}

type onlyWriter struct{ io.Writer }

// replace moves aside a file that a later member replaces: it is still part of the
// stream.
func (x *extractor) replace(at int, rel, name string) error {
	var st unix.Stat_t
	if err := unix.Fstatat(at, name, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return err
	}
	x.stale = true
	if err := os.Mkdir(x.Aside, 0o700); err != nil && !os.IsExist(err) {
		return err
	}
	to := fmt.Sprintf("%s/%d", x.Aside, len(x.moved)+x.trees)
	if st.Mode&unix.S_IFMT == unix.S_IFDIR {
		return x.replaceDir(at, rel, name, to)
	}
	if pos, ok := x.files[rel]; ok {
		delete(x.files, rel)
		if err := x.keep(pos, to, st.Size); err != nil {
			return err
		}
		return unix.Renameat(at, name, unix.AT_FDCWD, to)
	}
	return unix.Unlinkat(at, name, 0)
}

func (x *extractor) replaceDir(at int, rel, name, to string) error {
	if x.trees++; x.trees > 1000 {
		return errors.New("too many directories replaced by other members")
	}
	if err := unix.Renameat(at, name, unix.AT_FDCWD, to); err != nil {
		return err
	}
	prefix := rel + "/"
	for d := range x.dirs {
		if d == rel || strings.HasPrefix(d, prefix) {
			delete(x.dirs, d)
		}
	}
	for d := range x.devices {
		if strings.HasPrefix(d, prefix) {
			delete(x.devices, d)
		}
	}
	for f, pos := range x.files {
		if !strings.HasPrefix(f, prefix) {
			continue
		}
		from := to + "/" + strings.TrimPrefix(f, prefix)
		var st unix.Stat_t
		if err := unix.Lstat(from, &st); err != nil {
			return err
		}
		if err := x.keep(pos, from, st.Size); err != nil {
			return err
		}
		delete(x.files, f)
	}
	return nil
}

// keep records where a file of the tar record is now.
func (x *extractor) keep(pos int, where string, size int64) error {
	if x.movedN += size; x.movedN > x.Limits.Inline {
		return fmt.Errorf("more than %d bytes of files replaced by other members", x.Limits.Inline)
	}
	x.moved[pos] = where
	return nil
}

// inlineMoved rewrites the record with the contents of replaced files in it.
func (x *extractor) inlineMoved(record *os.File) (*os.File, error) {
	if _, err := record.Seek(0, io.SeekStart); err != nil {
		return record, err
	}
	out, err := x.Scratch()
	if err != nil {
		return record, err
	}
	contents := map[int]io.Reader{}
	for pos, where := range x.moved {
		contents[pos] = &lazyFile{path: where}
	}
	if err := inlineFiles(out, record, contents); err != nil {
		return record, errors.Join(err, out.Close())
	}
	return out, record.Close()
}

// lazyFile opens a file at the first read and closes it at its end.
type lazyFile struct {
	path string
	f    *os.File
}

func (l *lazyFile) Read(p []byte) (int, error) {
	if l.f == nil {
		f, err := os.OpenFile(l.path, os.O_RDONLY|unix.O_NOFOLLOW, 0)
		if err != nil {
			return 0, err
		}
		l.f = f
	}
	n, err := l.f.Read(p)
	if err != nil {
		l.f.Close()
	}
	return n, err
}
