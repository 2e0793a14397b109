// SPDX-License-Identifier: MPL-2.0

package engine

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"maps"
	"os"
	"path"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/carosio/carosbuild/pkg/layer/archive"
	"github.com/carosio/carosbuild/pkg/owner"
	"github.com/carosio/carosbuild/pkg/source/files"
)

// copier copies files into a root directory without ever leaving it.
type copier struct {
	root   int
	own    owner.Policy
	keep   bool           // owners, modes, attributes as in the source
	given  *[2]uint32     // --chown
	mode   *uint32        // --chmod
	mtime  *unix.Timespec // nil keeps the source's
	links  map[[2]uint64]string
	check  *stageCheck    // of what comes from another stage, or nil
	crc    *uint32        // of the content that was read last, for check
	read   string         // SHA-256 of the content that was read last, or where the link leads to
	later  *pendingCopy   // what the file that was created last still needs, or nil
	seen   files.Digester // what was copied of a source
	memory files.Memory
	from   owner.Policy // of the source, with keep
}

// one copies one file, directory or link to name.
func (c *copier) one(full, name string, st fs.FileInfo) error {
	dir, err := c.mkdirAll(path.Dir(name))
	if err != nil {
		return err
	}
	defer unix.Close(dir)
	base := path.Base(name)
	if base == "/" {
		base = "."
	}
	if st.IsDir() {
		err = c.directory(dir, base, name, full, st)
	} else {
		err = c.create(dir, base, name, full, st)
	}
	if err != nil {
		return fmt.Errorf("copy to %s: %w", name, err)
	}
	return nil
}

// directory makes a directory or uses the existing one, also through a link inside the
// root. Attributes are set through its descriptor.
func (c *copier) directory(dir int, base, name, full string, st fs.FileInfo) error {
	err := unix.Mkdirat(dir, base, 0o755)
	made := err == nil
	if err != nil && err != unix.EEXIST {
		return err
	}
	if !made && !statDir(c.root, name) { // a dangling link, or not a directory
		fd, err := c.mkdirAll(name)
		if err != nil {
			return err
		}
		unix.Close(fd)
		made = true
	}
	if !made && !c.keep { // an existing directory stays as it is
		return nil
	}
	fd, err := openIn(c.root, name, unix.O_RDONLY|unix.O_DIRECTORY)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return c.attributes(fd, ".", full, st, st.Sys().(*syscall.Stat_t))
}

func (c *copier) create(dir int, base, name, full string, st fs.FileInfo) error {
	sys := st.Sys().(*syscall.Stat_t)
	if err := unix.Unlinkat(dir, base, 0); err != nil && err != unix.ENOENT {
		return err
	}
	if first, ok := c.linked(sys); ok {
		return c.link(first, dir, base)
	}
	var err error
	kind := st.Mode().Type()
	if c.keep && kind == 0 && st.Size() == 0 { // may stand for a recorded device
		of, err := c.from.Stat(stageFile(full))
		if err != nil {
			return err
		}
		if of.Mode&unix.S_IFMT != unix.S_IFREG {
			kind = fs.ModeDevice
		}
	}
	switch kind {
	case 0:
		if !c.keep {
			c.later, err = c.open(dir, base, full, st)
			return err
		}
		err = c.content(dir, base, full)
	case fs.ModeSymlink:
		var target string
		if target, err = os.Readlink(full); err == nil {
			c.read, err = target, unix.Symlinkat(target, dir, base)
		}
	case fs.ModeNamedPipe, fs.ModeSocket:
		if !c.keep {
			return errors.New("is neither a file, a directory nor a link")
		}
		err = unix.Mknodat(dir, base, sys.Mode, 0)
	default:
		return errDevice
	}
	if err != nil {
		return err
	}
	c.remember(sys, name)
	return c.attributes(dir, base, full, st, sys)
}

// linked finds the name under which a file with several names was copied first.
func (c *copier) linked(sys *syscall.Stat_t) (name string, ok bool) {
	if !c.keep || sys.Nlink < 2 {
		return "", false
	}
	name, ok = c.links[[2]uint64{sys.Dev, sys.Ino}]
	return name, ok
}

// link makes a hard link to the file that was copied to first.
func (c *copier) link(first string, dir int, base string) error {
	from, err := openIn(c.root, path.Dir(first), unix.O_PATH|unix.O_DIRECTORY)
	if err != nil {
		return err
	}
	defer unix.Close(from)
	return unix.Linkat(from, path.Base(first), dir, base, 0)
}

func (c *copier) remember(sys *syscall.Stat_t, name string) {
	if !c.keep || sys.Nlink < 2 {
		return
	}
	if c.links == nil {
		c.links = map[[2]uint64]string{}
	}
	c.links[[2]uint64{sys.Dev, sys.Ino}] = name
}

// content copies a regular file's content, leaving holes for blocks of zeros.
func (c *copier) content(dir int, base, full string) error {
	src, err := os.Open(full) // in a stage, to which no other process can write
	if err != nil {
		return err
	}
	defer src.Close()
	dst, err := createIn(dir, base)
	if err != nil {
		return err
	}
	sum := crc32.New(crc32.MakeTable(crc32.Castagnoli))
	err = copyContent(dst, io.TeeReader(src, sum))
	crc := sum.Sum32()
	c.crc = &crc
	return err
}

// pendingCopy is the copy of a host file that has been created, still without content
// and attributes.
type pendingCopy struct {
	src, dst   *os.File
	dir        int // its own descriptor
	base, full string
	st         fs.FileInfo
	read       string // SHA-256 of the content, once there is one
}

// open opens a file of the host and creates its copy.
func (c *copier) open(dir int, base, full string, st fs.FileInfo) (*pendingCopy, error) {
	src, err := files.Open(full)
	if err != nil {
		return nil, err
	}
	dst, err := createIn(dir, base)
	if err != nil {
		return nil, errors.Join(err, src.Close())
	}
	own, err := unix.FcntlInt(uintptr(dir), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil, errors.Join(err, src.Close(), dst.Close())
	}
	return &pendingCopy{src: src, dst: dst, dir: own, base: base, full: full, st: st}, nil
}

// copy copies the content. It may be called in another goroutine.
func (p *pendingCopy) copy() error {
	defer p.src.Close()
	digest := sha256.New()
	err := copyContent(p.dst, io.TeeReader(p.src, digest))
	p.read = string(digest.Sum(nil))
	return err
}

// finish gives a file whose content is there its attributes.
func (c *copier) finish(p *pendingCopy) error {
	return c.attributes(p.dir, p.base, p.full, p.st, p.st.Sys().(*syscall.Stat_t))
}

// createIn creates a file in a directory.
func createIn(dir int, base string) (*os.File, error) {
	fd, err := unix.Openat(dir, base, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), base), nil
}

// copyContent copies src to dst and closes dst.
func copyContent(dst *os.File, src io.Reader) error {
	size, err := copySparse(dst, src)
	if err == nil {
		err = dst.Truncate(size)
	}
	return errors.Join(err, dst.Close())
}

func copySparse(dst *os.File, src io.Reader) (int64, error) {
	buf := make([]byte, 64<<10)
	zero := make([]byte, len(buf))
	var off int64
	for {
		n, err := io.ReadFull(src, buf)
		if n > 0 && !bytes.Equal(buf[:n], zero[:n]) {
			if _, err := dst.WriteAt(buf[:n], off); err != nil {
				return off, err
			}
		}
		off += int64(n)
		if err == io.EOF || err == io.ErrUnexpectedEOF {
			return off, nil
		}
		if err != nil {
			return off, err
		}
	}
}

// attributes sets owner, mode, extended attributes and time.
func (c *copier) attributes(dir int, base, full string, st fs.FileInfo, sys *syscall.Stat_t) error {
	sys, xattrs, err := c.known(full, sys)
	if err != nil {
		return err
	}
	uid, gid := uint32(0), uint32(0)
	mode := uint32(files.Mode(st).Perm())
	if c.keep {
		uid, gid, mode = sys.Uid, sys.Gid, sys.Mode&0o7777
	}
	if c.given != nil {
		uid, gid = c.given[0], c.given[1]
	}
	if c.mode != nil && !st.IsDir() {
		mode = *c.mode
	}
	mtime := unix.Timespec(sys.Mtim)
	if c.mtime != nil && !c.keep {
		mtime = *c.mtime
	}
	m := owner.Meta{UID: int(uid), GID: int(gid), Mode: sys.Mode&unix.S_IFMT | mode, Times: []unix.Timespec{mtime, mtime}}
	if c.keep {
		m.Xattrs = xattrs
	}
	return c.own.Set(dir, base, m)
}

// known returns the type and attributes of a source, and the extended attributes that
// its copy gets.
func (c *copier) known(full string, sys *syscall.Stat_t) (*syscall.Stat_t, map[string][]byte, error) {
	if !c.keep {
		return sys, nil, nil
	}
	st, xattrs, err := c.from.Look(stageFile(full))
	if err != nil {
		return nil, nil, err
	}
	if st.Mode&unix.S_IFMT != sys.Mode&unix.S_IFMT {
		return nil, nil, errDevice
	}
	out := *sys
	out.Uid, out.Gid, out.Mode = st.Uid, st.Gid, st.Mode
	maps.DeleteFunc(xattrs, func(name string, _ []byte) bool {
		return name == "security.selinux" || strings.HasPrefix(name, "trusted.") || archive.PrivateXattr(name)
	})
	return &out, xattrs, nil
}

var errDevice = errors.New("is a device, which a stage cannot hold")

// stageFile is a file of another stage as an owner.Policy names it. A procfs link to a
// descriptor becomes that descriptor.
func stageFile(full string) (dir int, name string) {
	if n, ok := strings.CutPrefix(full, "/proc/self/fd/"); ok {
		if fd, err := strconv.Atoi(n); err == nil {
			return fd, ""
		}
	}
	return unix.AT_FDCWD, full
}
