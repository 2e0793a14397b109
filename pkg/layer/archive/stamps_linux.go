// SPDX-License-Identifier: MPL-2.0

package archive

import (
	"fmt"
	"path"
	"time"

	"golang.org/x/sys/unix"

	"github.com/carosio/carosbuild/pkg/beneath"
)

// Stamps are the states of a tree's files before any change, by path. They tell which
// files may have been changed.
type Stamps struct {
	files map[string]stamp
	taken int64 // nanoseconds since 1970; a file changed just before may change again unnoticed
}

// stamp is the state of one file. A file with the same stamp has not been changed, since
// nobody can set an inode's change time; a file with a different stamp may still be equal.
type stamp struct {
	ino          uint64
	born         int64 // nanoseconds since 1970, 0 if the file system does not say
	ctime, mtime int64
	size         uint64
	nlink        uint32
	mode         uint16
}

// clockTick exceeds the granularity of inode times, in nanoseconds: one tick of a kernel
// with 100 ticks a second.
const clockTick = 20 * int64(time.Millisecond)

// Take takes the stamps of a tree.
func Take(dir string) (*Stamps, error) {
	fd, err := unix.Open(dir, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC|unix.O_NOFOLLOW, 0)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", dir, err)
	}
	defer unix.Close(fd)
	s := &Stamps{files: map[string]stamp{}}
	err = s.walk(beneath.Root(fd))
	s.taken = time.Now().UnixNano()
	return s, err
}

// add takes the stamps at a path below the open directory root.
func (s *Stamps) add(root int, rel string) error {
	dir, err := beneath.Open(root, ParentOf(rel), unix.O_RDONLY|unix.O_DIRECTORY)
	if err != nil {
		return err
	}
	defer unix.Close(dir)
	st, err := stampOf(dir, path.Base(rel))
	if err != nil {
		return err
	}
	s.files[rel], s.taken = st, time.Now().UnixNano()
	if st.mode&unix.S_IFMT != unix.S_IFDIR {
		return nil
	}
	fd, err := beneath.Open(root, rel, unix.O_RDONLY|unix.O_DIRECTORY)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	below := &Stamps{files: map[string]stamp{}}
	if err := below.walk(beneath.Root(fd)); err != nil {
		return err
	}
	for p, st := range below.files {
		s.files[rel+"/"+p] = st
	}
	return nil
}

func (s *Stamps) walk(dir *beneath.Dir) error {
	return eachBelow(dir, func(fd int, name, path string) (mode uint32, err error) {
		st, err := stampOf(fd, name)
		if err != nil {
			return 0, fmt.Errorf("stat %s: %w", shown(path), err)
		}
		s.files[path] = st
		return uint32(st.mode), nil
	})
}

// eachBelow calls f for every file below a directory, with an open directory, the name in
// it, and the path. F returns the file's type.
func eachBelow(dir *beneath.Dir, f func(fd int, name, path string) (mode uint32, err error)) error {
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
		mode, err := f(fd, name, dir.Join(name))
		if err != nil {
			return err
		}
		if mode&unix.S_IFMT != unix.S_IFDIR {
			continue
		}
		sub, err := dir.Enter(name)
		if err != nil {
			return fmt.Errorf("open %s: %w", shown(dir.Join(name)), err)
		}
		dir.Rest()
		err = eachBelow(sub, f)
		sub.Close()
		if err != nil {
			return err
		}
	}
	return nil
}

func stampOf(dir int, name string) (stamp, error) {
	var x unix.Statx_t
	const mask = unix.STATX_BASIC_STATS | unix.STATX_BTIME
	if err := unix.Statx(dir, name, unix.AT_SYMLINK_NOFOLLOW|unix.AT_STATX_SYNC_AS_STAT, mask, &x); err != nil {
		return stamp{}, err
	}
	s := stamp{ino: x.Ino, ctime: nanoseconds(x.Ctime), mtime: nanoseconds(x.Mtime), size: x.Size, nlink: x.Nlink, mode: x.Mode}
	if x.Mask&unix.STATX_BTIME != 0 {
		s.born = nanoseconds(x.Btime)
	}
	return s, nil
}

func nanoseconds(t unix.StatxTimestamp) int64 { return t.Sec*1e9 + int64(t.Nsec) }

// untouched reports whether a file whose stamp is now is surely unchanged at that path.
func (s *Stamps) untouched(rel string, now stamp) bool {
	was, ok := s.files[rel]
	return ok && was == now && was.ctime < s.taken-clockTick
}

// inPlace reports whether the inode at that path is the one that was there: an inode
// that replaces it may get its number, but not its birth time.
func (s *Stamps) inPlace(rel string, now stamp) bool {
	was, ok := s.files[rel]
	return ok && was.ino == now.ino && was.born == now.born && was.mode&unix.S_IFMT == now.mode&unix.S_IFMT
}
