// SPDX-License-Identifier: MPL-2.0

package sandbox

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path"
	"strings"

	"golang.org/x/sys/unix"
)

// Planted is what Plant put into a step's root, to be removed again.
type Planted struct {
	// Created are the new mount points, parents before their children.
	Created []Created
	statBy  func(fd int, name string) (unix.Stat_t, error) // nil asks the kernel
	files   []plantedFile
}

// Created is a directory, or an empty file, that Plant made.
type Created struct {
	Path string // relative to the root
	Dir  bool
	mark mark
}

// plantedFile is a planted file with content.
type plantedFile struct {
	name    string // relative to the root, in an existing directory
	content []byte
	mark    mark
}

// mark identifies a planted file, wherever a step moves it.
type mark struct {
	fd       int
	mode     uint32 // original mode: a directory may pass on its setgid bit or an ACL
	uid, gid uint32
}

// markOf marks a file in a directory.
func markOf(dir int, base string, stat func(fd int) (unix.Stat_t, error)) (mark, error) {
	fd, err := unix.Openat(dir, base, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return mark{}, err
	}
	st, err := stat(fd)
	if err != nil {
		unix.Close(fd)
		return mark{}, err
	}
	return mark{fd, st.Mode, st.Uid, st.Gid}, nil
}

// size returns the size of a file whose kind, mode and owner are unchanged.
func (m mark) size(stat func(fd int) (unix.Stat_t, error)) (int64, bool) {
	st, err := stat(m.fd)
	if err != nil || st.Mode != m.mode || st.Uid != m.uid || st.Gid != m.gid {
		return 0, false
	}
	return st.Size, true
}

const (
	resolvConf = "etc/resolv.conf"
	hostsFile  = "etc/hosts"
)

// hosts is the /etc/hosts of a step whose stage has none: it has an address for the step's
// own host name.
const hosts = "127.0.0.1\t" + Hostname + "\n::1\t" + Hostname + " ip6-localhost ip6-loopback\n"

// Modes of the files and directories that Plant makes.
const (
	plantedDirMode  = 0o755
	plantedFileMode = 0o644
)

// Plant makes the missing mount points in root, and /etc/hosts and the host's resolver
// configuration as plain files, which the step may replace. A mount on /etc/resolv.conf would
// make that impossible (EBUSY), and a mount point made by the runtime would stay in the
// layer. Nothing is looked up outside root, whatever links it has; times of directories are
// kept.
func Plant(root string, mounts []Mount, resolver []byte) (planted *Planted, err error) {
	p := &Planted{}
	defer func() {
		if err != nil {
			p.close()
		}
	}()
	fd, err := unix.Open(root, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("open root: %w", err)
	}
	defer unix.Close(fd)
	for _, dir := range []string{"proc", "dev", "sys"} { // the runtime's own
		if err := p.mkdirs(fd, dir); err != nil {
			return nil, fmt.Errorf("mount point /%s: %w", dir, err)
		}
	}
	for _, m := range mounts {
		target := strings.Trim(path.Clean(m.Target), "/")
		st, err := os.Stat(m.Source)
		if err != nil {
			return nil, fmt.Errorf("mount on %s: %w", m.Target, err)
		}
		if st.IsDir() {
			err = p.mkdirs(fd, target)
		} else if err = p.mkdirs(fd, path.Dir(target)); err == nil {
			err = p.create(fd, target)
		}
		if err != nil {
			return nil, fmt.Errorf("mount point %s: %w", m.Target, err)
		}
	}
	files := []plantedFile{{name: hostsFile, content: []byte(hosts)}}
	if resolver != nil {
		files = append(files, plantedFile{name: resolvConf, content: resolver})
	}
	for _, f := range files {
		// Only if the file is missing, a dangling link or empty: a stage may have its own.
		if st, err := statIn(fd, f.name); err == nil && (st.Size > 0 || st.Mode&unix.S_IFMT != unix.S_IFREG) {
			continue
		}
		if err := p.plantFile(fd, f); err != nil {
			return nil, fmt.Errorf("plant /%s: %w", f.name, err)
		}
	}
	return p, nil
}

func (p *Planted) plantFile(root int, file plantedFile) error {
	dir, err := openIn(root, path.Dir(file.name), unix.O_RDONLY|unix.O_DIRECTORY)
	if err == unix.ENOENT {
		return nil // nothing reads it
	}
	if err != nil {
		return err
	}
	defer unix.Close(dir)
	return keepTimes(dir, func() error {
		base := path.Base(file.name)
		if err := unix.Unlinkat(dir, base, 0); err != nil && err != unix.ENOENT {
			return err
		}
		fd, err := unix.Openat(dir, base, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_CLOEXEC|unix.O_NOFOLLOW, plantedFileMode)
		if err != nil {
			return err
		}
		f := os.NewFile(uintptr(fd), file.name)
		_, err = f.Write(file.content)
		if e := f.Close(); err == nil {
			err = e
		}
		if err == nil {
			file.mark, err = markOf(dir, base, p.stat)
		}
		if err == nil {
			p.files = append(p.files, file)
		}
		return err
	})
}

// close closes the descriptors.
func (p *Planted) close() {
	for _, f := range p.files {
		unix.Close(f.mark.fd)
	}
	for _, c := range p.Created {
		unix.Close(c.mark.fd)
	}
	p.files, p.Created = nil, nil
}

// Remove removes the planted files from the root, wherever the step has moved them, once the
// command and its mounts are gone. What the step has changed, filled or replaced stays.
// Revert restores a path of the root to what it was before the step; a directory only if it
// is empty.
func (p *Planted) Remove(root string, revert func(path string) error) error {
	defer p.close()
	top, err := realPath(root)
	if err != nil {
		return fmt.Errorf("remove the files that were put into the root: %w", err)
	}
	for _, f := range p.files {
		if !f.untouched(p.stat) {
			continue
		}
		if err := revertAt(top, f.mark.fd, revert); err != nil {
			return fmt.Errorf("remove /%s: %w", f.name, err)
		}
	}
	for i := len(p.Created) - 1; i >= 0; i-- {
		c := p.Created[i]
		if !c.untouched(p.stat) {
			continue
		}
		if err := revertAt(top, c.mark.fd, revert); err != nil {
			return fmt.Errorf("remove /%s: %w", c.Path, err)
		}
	}
	return nil
}

// StatBy makes Planted use stat for files of the root, as owner.Policy does, instead of the
// kernel. It is called before anything is changed in the root.
func (p *Planted) StatBy(stat func(fd int, name string) (unix.Stat_t, error)) error {
	p.statBy = stat
	marks := []*mark{}
	for i := range p.files {
		marks = append(marks, &p.files[i].mark)
	}
	for i := range p.Created {
		marks = append(marks, &p.Created[i].mark)
	}
	for _, m := range marks {
		st, err := p.stat(m.fd)
		if err != nil {
			return fmt.Errorf("stat the files that were put into the root: %w", err)
		}
		m.mode, m.uid, m.gid = st.Mode, st.Uid, st.Gid
	}
	return nil
}

// stat stats an open file.
func (p *Planted) stat(fd int) (st unix.Stat_t, err error) {
	if p.statBy != nil {
		return p.statBy(fd, "")
	}
	err = unix.Fstat(fd, &st)
	return st, err
}

// realPath is the path of a directory without links, according to the kernel.
func realPath(dir string) (string, error) {
	fd, err := unix.Open(dir, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return "", err
	}
	defer unix.Close(fd)
	return os.Readlink(fmt.Sprintf("/proc/self/fd/%d", fd))
}

// revertAt reverts the current path of a file. A file whose path is too long for the kernel
// to report stays where it is.
func revertAt(top string, fd int, revert func(path string) error) error {
	real, err := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", fd))
	if errors.Is(err, unix.ENAMETOOLONG) {
		return nil
	}
	if err != nil {
		return err
	}
	name, ok := strings.CutPrefix(real, strings.TrimSuffix(top, "/")+"/")
	if !ok {
		return nil // it is gone
	}
	var now, then unix.Stat_t
	if unix.Fstat(fd, &then) != nil || unix.Lstat(real, &now) != nil || now.Dev != then.Dev || now.Ino != then.Ino {
		return nil
	}
	return revert("/" + name)
}

// untouched reports whether a mount point is as Plant made it. A directory may have new
// contents.
func (c Created) untouched(stat func(fd int) (unix.Stat_t, error)) bool {
	size, same := c.mark.size(stat)
	return same && (c.Dir || size == 0)
}

// untouched reports whether a file is as Plant made it.
func (f plantedFile) untouched(stat func(fd int) (unix.Stat_t, error)) bool {
	if size, same := f.mark.size(stat); !same || size != int64(len(f.content)) {
		return false
	}
	data, err := os.ReadFile(fmt.Sprintf("/proc/self/fd/%d", f.mark.fd))
	return err == nil && bytes.Equal(data, f.content)
}

// mkdirs makes the directories of name that are missing and records them.
func (p *Planted) mkdirs(root int, name string) error {
	if name == "." || name == "" {
		return nil
	}
	if st, err := statIn(root, name); err == nil {
		if st.Mode&unix.S_IFMT != unix.S_IFDIR {
			return unix.ENOTDIR
		}
		return nil
	}
	if err := p.mkdirs(root, path.Dir(name)); err != nil {
		return err
	}
	return p.make(root, Created{Path: name, Dir: true}, func(dir int, base string) error { return unix.Mkdirat(dir, base, plantedDirMode) })
}

// create makes an empty file and records it, unless it exists.
func (p *Planted) create(root int, name string) error {
	if _, err := statIn(root, name); err == nil {
		return nil
	}
	return p.make(root, Created{Path: name}, func(dir int, base string) error {
		fd, err := unix.Openat(dir, base, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_CLOEXEC, plantedFileMode)
		if err != nil {
			return err
		}
		return unix.Close(fd)
	})
}

func (p *Planted) make(root int, c Created, f func(dir int, base string) error) error {
	dir, err := openIn(root, path.Dir(c.Path), unix.O_RDONLY|unix.O_DIRECTORY)
	if err != nil {
		return err
	}
	defer unix.Close(dir)
	if err := keepTimes(dir, func() error { return f(dir, path.Base(c.Path)) }); err != nil {
		return err
	}
	if c.mark, err = markOf(dir, path.Base(c.Path), p.stat); err != nil {
		return err
	}
	p.Created = append(p.Created, c)
	return nil
}

// keepTimes runs f and then restores the times of the directory.
func keepTimes(dir int, f func() error) error {
	var st unix.Stat_t
	if err := unix.Fstat(dir, &st); err != nil {
		return err
	}
	if err := f(); err != nil {
		return err
	}
	ts := []unix.Timespec{st.Atim, st.Mtim}
	return unix.UtimesNanoAt(unix.AT_FDCWD, fmt.Sprintf("/proc/self/fd/%d", dir), ts, 0)
}

// openIn opens name below root. Links are resolved as if root were "/".
func openIn(root int, name string, flags int) (int, error) {
	return unix.Openat2(root, name, &unix.OpenHow{
		Flags:   uint64(flags | unix.O_CLOEXEC),
		Resolve: unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_MAGICLINKS,
	})
}

func statIn(root int, name string) (*unix.Stat_t, error) {
	fd, err := openIn(root, name, unix.O_PATH)
	if err != nil {
		return nil, err
	}
	defer unix.Close(fd)
	var st unix.Stat_t
	return &st, unix.Fstat(fd, &st)
}
