// This Source Code Form is subject to the terms of the Mozilla Public
// License, v. 2.0. If a copy of the MPL was not distributed with this
// file, You can obtain one at https://mozilla.org/MPL/2.0/.

package layer

import (
	"cmp"
	"fmt"
	"io/fs"
	"iter"
	"maps"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/carosio/carosbuild/pkg/beneath"
)

// crcs are the CRC-32C of contents by inode, all of one file system.
type crcs map[uint64]uint32

// lister walks the directory of a layer.
type lister struct {
	d    *differ // reads attributes
	each func(f *FileSum, ino uint64) error
}

// listFiles calls each for every file in a layer's directory, the directory
// itself first, in the order of tree.Compare. Contents are not read: CRC is 0,
// and ino tells which inode it is.
func listFiles(dir, prefix string, each func(f *FileSum, ino uint64) error) error {
	fd, err := unix.Open(dir, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC|unix.O_NOFOLLOW, 0)
	if err != nil {
		return &fs.PathError{Op: "open", Path: dir, Err: err}
	}
	defer unix.Close(fd)
	l := &lister{&differ{diffOptions: diffOptions{prefix: prefix}, buf: make([]byte, 64<<10)}, each}
	if _, err := l.file(fd, ".", ""); err != nil {
		return err
	}
	return l.dir(beneath.Root(fd))
}

func (l *lister) dir(dir *beneath.Dir) error {
	fd, err := dir.FD()
	if err != nil {
		return fmt.Errorf("open %s: %w", shown(dir.Path()), err)
	}
	names, err := beneath.Names(fd)
	if err != nil {
		return fmt.Errorf("list %s: %w", shown(dir.Path()), err)
	}
	for _, name := range names {
		if fd, err = dir.FD(); err != nil {
			return fmt.Errorf("open %s: %w", shown(dir.Path()), err)
		}
		isDir, err := l.file(fd, name, dir.Join(name))
		if err != nil {
			return err
		}
		if !isDir {
			continue
		}
		sub, err := dir.Enter(name)
		if err != nil {
			return fmt.Errorf("open %s: %w", shown(dir.Join(name)), err)
		}
		dir.Rest()
		err = l.dir(sub)
		sub.Close()
		if err != nil {
			return err
		}
	}
	return nil
}

// file passes on what there is to know of name in the directory fd.
func (l *lister) file(fd int, name, full string) (isDir bool, err error) {
	var st unix.Stat_t
	if err := unix.Fstatat(fd, name, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return false, fmt.Errorf("stat %s: %w", shown(full), err)
	}
	f := &FileSum{Path: full, Mode: st.Mode, UID: st.Uid, GID: st.Gid, Mtime: int64(st.Mtim.Sec), MtimeNsec: int32(st.Mtim.Nsec)}
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFREG:
		f.Size = st.Size
	case unix.S_IFLNK:
		n, err := unix.Readlinkat(fd, name, l.d.buf)
		if err != nil {
			return false, fmt.Errorf("read link %s: %w", shown(full), err)
		}
		f.Link = string(l.d.buf[:n])
	case unix.S_IFCHR, unix.S_IFBLK:
		f.Rdev = uint64(st.Rdev)
	}
	attrs, opaque, err := l.d.xattrs(fd, name, &st)
	if err != nil {
		return false, fmt.Errorf("%s: %w", shown(full), err)
	}
	f.Xattrs, f.opaque = XattrSum(recordXattrs(attrs)), opaque
	return st.Mode&unix.S_IFMT == unix.S_IFDIR, l.each(f, st.Ino)
}

// recordXattrs are extended attributes in PAX records, ascending by name.
func recordXattrs(records map[string]string) iter.Seq2[string, []byte] {
	return func(yield func(string, []byte) bool) {
		for _, k := range slices.Sorted(maps.Keys(records)) {
			if name, ok := strings.CutPrefix(k, paxXattr); ok && !yield(name, []byte(records[k])) {
				return
			}
		}
	}
}

// writeSums records the files in dir as those of layer id.
func (s *Store) writeSums(id, dir string, known crcs) error {
	w := newSumsWriter(id)
	err := listFiles(dir, s.ovl.prefix, func(f *FileSum, ino uint64) error {
		if f.Size > 0 {
			crc, ok := known[ino]
			if !ok {
				return &DamageError{id, f.Path, "was not there when the layer was made"}
			}
			f.CRC = crc
		}
		w.add(f)
		return nil
	})
	if err == nil {
		err = w.save(s.sumsFile(id))
	}
	if err != nil {
		return fmt.Errorf("record the files of layer %s: %w", short(id), err)
	}
	return nil
}

// checkFiles compares a layer's directory with its record, without reading
// contents. It returns at most limit differences.
func (s *Store) checkFiles(id string, limit int) ([]*DamageError, error) {
	want, err := s.readSums(id)
	if err != nil {
		return nil, err
	}
	var out []*DamageError
	found := func(path, what string) {
		if len(out) < limit {
			out = append(out, &DamageError{id, path, what})
		}
	}
	err = listFiles(s.diffDir(id), s.ovl.prefix, func(f *FileSum, _ uint64) error {
		for want.ok && comparePaths(want.cur.Path, f.Path) < 0 {
			found(want.cur.Path, "is missing")
			if err := want.next(); err != nil {
				return err
			}
		}
		if !want.ok || want.cur.Path != f.Path {
			found(f.Path, "was added")
			return nil
		}
		if what := f.Differs(&want.cur, 0); what != "" || f.opaque != want.cur.opaque {
			found(f.Path, "has changed: "+cmp.Or(what, "what it hides"))
		}
		return want.next()
	})
	for err == nil && want.ok {
		found(want.cur.Path, "is missing")
		err = want.next()
	}
	return out, err
}

// Differs says how the metadata of a file differ from what was recorded, "" when
// they do not. Times later than clamp count as clamp; 0 leaves them.
func (f *FileSum) Differs(want *FileSum, clamp int64) string {
	sec, nsec := want.Mtime, want.MtimeNsec
	if clamp != 0 && (sec > clamp || sec == clamp && nsec > 0) {
		sec, nsec = clamp, 0
	}
	switch {
	case f.Mode&unix.S_IFMT != want.Mode&unix.S_IFMT:
		return "its type"
	case f.Mode != want.Mode:
		return fmt.Sprintf("mode %o, was %o", f.Mode&0o7777, want.Mode&0o7777)
	case f.UID != want.UID || f.GID != want.GID:
		return fmt.Sprintf("owner %d:%d, was %d:%d", f.UID, f.GID, want.UID, want.GID)
	case f.Size != want.Size:
		return fmt.Sprintf("%d bytes, were %d", f.Size, want.Size)
	case f.Link != want.Link:
		return "the target of the link"
	case f.Rdev != want.Rdev:
		return "the device number"
	case f.Xattrs != want.Xattrs:
		return "its extended attributes"
	case f.Mtime != sec || f.MtimeNsec != nsec:
		return "its time"
	}
	return ""
}
