// This Source Code Form is subject to the terms of the Mozilla Public
// License, v. 2.0. If a copy of the MPL was not distributed with this
// file, You can obtain one at https://mozilla.org/MPL/2.0/.

package runc

import (
	"bytes"
	"fmt"
	"os"
	"path"
	"strings"

	"golang.org/x/sys/unix"
)

// Planted is what Plant put into a step's root, to be taken out again.
type Planted struct {
	// Created are the paths that were not there before, parents before their
	// children, relative to the root.
	Created  []string
	resolver []byte // content of etc/resolv.conf, nil when none was planted
}

const resolvConf = "etc/resolv.conf"

// Plant makes the mount points that are missing in root and gives it the
// host's resolver configuration as a plain file, which the step may replace.
// A mount on /etc/resolv.conf would make that impossible (EBUSY), and a mount
// point that the runtime makes would stay in the layer. Nothing is looked up
// outside root, whatever links it holds; times of directories are kept.
func Plant(root string, mounts []Mount, resolver []byte) (*Planted, error) {
	p := &Planted{}
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
	if resolver == nil {
		return p, nil
	}
	// Only where there is none, or one that leads nowhere or says nothing: a
	// step may come with its own.
	if st, err := statIn(fd, resolvConf); err == nil && st.Size > 0 {
		return p, nil
	}
	if err := p.plantResolver(fd, resolver); err != nil {
		return nil, fmt.Errorf("plant /%s: %w", resolvConf, err)
	}
	return p, nil
}

func (p *Planted) plantResolver(root int, content []byte) error {
	etc, err := openIn(root, "etc", unix.O_RDONLY|unix.O_DIRECTORY)
	if err == unix.ENOENT {
		return nil // nobody who resolves names
	}
	if err != nil {
		return err
	}
	defer unix.Close(etc)
	return keepTimes(etc, func() error {
		if err := unix.Unlinkat(etc, "resolv.conf", 0); err != nil && err != unix.ENOENT {
			return err
		}
		fd, err := unix.Openat(etc, "resolv.conf", unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_CLOEXEC|unix.O_NOFOLLOW, 0o644)
		if err != nil {
			return err
		}
		f := os.NewFile(uintptr(fd), resolvConf)
		_, err = f.Write(content)
		p.resolver = content
		if e := f.Close(); err == nil {
			err = e
		}
		return err
	})
}

// Remove takes the planted things out of upper, the directory that caught the
// step's changes, once the step's root is no longer mounted. What the step has
// changed or filled stays.
func (p *Planted) Remove(upper string) error {
	fd, err := unix.Open(upper, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("open upper directory: %w", err)
	}
	defer unix.Close(fd)
	if p.resolver != nil {
		if err := removeIn(fd, resolvConf, func() bool { return sameContent(fd, resolvConf, p.resolver) }); err != nil {
			return fmt.Errorf("take out /%s: %w", resolvConf, err)
		}
	}
	for i := len(p.Created) - 1; i >= 0; i-- {
		name := p.Created[i]
		if err := removeIn(fd, name, func() bool { return sameContent(fd, name, nil) }); err != nil {
			return fmt.Errorf("take out /%s: %w", name, err)
		}
	}
	return nil
}

// sameContent reports whether name is an empty directory or a regular file of
// exactly that content.
func sameContent(root int, name string, content []byte) bool {
	fd, err := openIn(root, name, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK)
	if err != nil {
		return false
	}
	f := os.NewFile(uintptr(fd), name)
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return false
	}
	if st.IsDir() {
		return true // removing it fails when it is not empty
	}
	if !st.Mode().IsRegular() || st.Size() != int64(len(content)) {
		return false
	}
	b := make([]byte, len(content)+1)
	n, _ := f.ReadAt(b, 0)
	return bytes.Equal(b[:n], content)
}

func removeIn(root int, name string, unchanged func() bool) error {
	dir, err := openIn(root, path.Dir(name), unix.O_RDONLY|unix.O_DIRECTORY)
	if err == unix.ENOENT {
		return nil
	}
	if err != nil {
		return err
	}
	defer unix.Close(dir)
	if !unchanged() {
		return nil
	}
	return keepTimes(dir, func() error {
		err := unix.Unlinkat(dir, path.Base(name), 0)
		if err == unix.EISDIR || err == unix.EPERM {
			err = unix.Unlinkat(dir, path.Base(name), unix.AT_REMOVEDIR)
		}
		if err == unix.ENOENT || err == unix.ENOTEMPTY || err == unix.EEXIST {
			return nil
		}
		return err
	})
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
	return p.make(root, name, func(dir int, base string) error { return unix.Mkdirat(dir, base, 0o755) })
}

// create makes an empty file and records it, unless there is one.
func (p *Planted) create(root int, name string) error {
	if _, err := statIn(root, name); err == nil {
		return nil
	}
	return p.make(root, name, func(dir int, base string) error {
		fd, err := unix.Openat(dir, base, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_CLOEXEC, 0o644)
		if err != nil {
			return err
		}
		return unix.Close(fd)
	})
}

func (p *Planted) make(root int, name string, f func(dir int, base string) error) error {
	dir, err := openIn(root, path.Dir(name), unix.O_RDONLY|unix.O_DIRECTORY)
	if err != nil {
		return err
	}
	defer unix.Close(dir)
	if err := keepTimes(dir, func() error { return f(dir, path.Base(name)) }); err != nil {
		return err
	}
	p.Created = append(p.Created, name)
	return nil
}

// keepTimes runs f and gives the directory its former times back.
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

// openIn opens name below root; links are resolved as if root were "/".
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
