// SPDX-License-Identifier: MPL-2.0

package unpack

import (
	"archive/tar"
	"bufio"
	"bytes"
	"crypto/md5"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"path"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/carosio/carosbuild/pkg/debfile"
)

// newSuffix is what dpkg appends to the name of a configuration file that is
// unpacked but not configured.
const newSuffix = ".dpkg-new"

// maxTime is the latest time of a file, in seconds since 1970: it fits into 34
// bits, as in ext4's inodes, and as nanoseconds into 63 bits.
const maxTime = 1 << 33

// extractor writes one package's data.tar below the root.
type extractor struct {
	u    *unpacking
	p    *unpacked
	dirs *dirCache

	links     map[string]bool // symbolic links of this archive, which no member's path may go through
	conffiles map[string]bool
	buf       []byte
	sum       hash.Hash // of files' contents, if the package has no md5sums; else nil
}

// dirMeta is a directory of an archive. Its metadata is set after everything has
// been written into it.
type dirMeta struct {
	name string
	meta
}

func (e *extractor) run(d deb) error {
	r, err := debfile.Decompress(d.dataName, bytes.NewReader(d.data))
	if err != nil {
		return err
	}
	defer r.Close()
	defer e.dirs.close()
	buffered := bufio.NewReaderSize(r, 256<<10)
	for t := tar.NewReader(buffered); ; {
		h, err := t.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return fmt.Errorf("%s: %w", d.dataName, err)
		}
		if err := e.member(h, t); err != nil {
			return fmt.Errorf("%s: %w", d.dataName, err)
		}
	}
	_, err = io.Copy(io.Discard, buffered) // the data after the tar's end has to decompress too, including the checks
	return err
}

func (e *extractor) member(h *tar.Header, content io.Reader) error {
	name, err := cleanName(h.Name)
	if err != nil {
		return err
	}
	for dir := path.Dir(name); dir != "."; dir = path.Dir(dir) {
		if e.links[dir] {
			return fmt.Errorf("member %q: goes through the symbolic link %q of the same package", h.Name, dir)
		}
	}
	if h.Uid < 0 || h.Gid < 0 || int64(h.Uid) > 1<<32-2 || int64(h.Gid) > 1<<32-2 {
		return fmt.Errorf("member %q: owner %d:%d", h.Name, h.Uid, h.Gid)
	}
	if t := h.ModTime.Unix(); t < 0 || t > maxTime {
		return fmt.Errorf("member %q: time %d", h.Name, t)
	}
	m := meta{uint32(h.Mode) & 0o7777, h.Uid, h.Gid, h.ModTime.Unix()}
	if h.Typeflag == tar.TypeDir {
		e.p.listed(name, "")
		return e.dir(name, m)
	}
	if name == "." {
		return fmt.Errorf("member %q: the root is not a directory", h.Name)
	}
	if h.Typeflag == tar.TypeChar || h.Typeflag == tar.TypeBlock {
		e.p.listed(name, "")
		return nil // the sandbox has its own /dev, and a layer has none
	}
	won, err := e.u.claim(name, e.p, e.removeLoser)
	if err != nil || !won {
		return err
	}
	e.p.listed(name, name)
	switch h.Typeflag {
	case tar.TypeReg, tar.TypeGNUSparse:
		return e.regular(name, m, h, content)
	case tar.TypeLink:
		return e.hardLink(name, h.Linkname)
	case tar.TypeSymlink:
		e.links[name] = true
		return e.symlink(name, h.Linkname, m)
	case tar.TypeFifo:
		return e.fifo(name, m)
	}
	return fmt.Errorf("member %q: type %q is not supported", h.Name, h.Typeflag)
}

// dir makes a directory unless a directory, or a link to one, exists.
func (e *extractor) dir(name string, m meta) error {
	e.p.dirs = append(e.p.dirs, dirMeta{name, m})
	if name == "." {
		return nil
	}
	parent, base, err := e.dirs.parent(name)
	if err != nil {
		return err
	}
	switch err := unix.Mkdirat(parent, base, 0o755); err {
	case nil:
		return nil
	case unix.EEXIST:
		fd, err := e.u.root.open(name, unix.O_PATH|unix.O_DIRECTORY, 0)
		if err != nil {
			return fmt.Errorf("directory in the place of a file: %w", err)
		}
		return unix.Close(fd)
	default:
		return &os.PathError{Op: "mkdir", Path: name, Err: err}
	}
}

// regular writes a file. A configuration file is written twice, as itself and as
// dpkg's new version of it: the maintainer scripts of Essential packages read each
// other's configuration before it is configured.
func (e *extractor) regular(name string, m meta, h *tar.Header, content io.Reader) error {
	if e.sum != nil {
		e.sum.Reset()
		content = io.TeeReader(content, e.sum)
	}
	if !e.conffiles["/"+name] {
		if err := e.write(name, m, h, content); err != nil {
			return err
		}
	} else {
		data, err := io.ReadAll(content)
		if err != nil {
			return err
		}
		for _, n := range []string{name, name + newSuffix} {
			if err := e.write(n, m, h, bytes.NewReader(data)); err != nil {
				return err
			}
		}
		return nil
	}
	if e.sum != nil {
		fmt.Fprintf(&e.p.md5sums, "%s  %s\n", hex.EncodeToString(e.sum.Sum(nil)), name)
	}
	return nil
}

func (e *extractor) write(name string, m meta, h *tar.Header, content io.Reader) error {
	parent, base, err := e.dirs.parent(name)
	if err != nil {
		return err
	}
	fd, err := unix.Openat(parent, base, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return &os.PathError{Op: "create", Path: name, Err: err}
	}
	file := os.NewFile(uintptr(fd), name)
	defer file.Close()
	if _, err := io.CopyBuffer(plainWriter{file}, content, e.buf); err != nil {
		return err
	}
	if err := setXattrs(fd, h); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	if err := e.u.chown(fd, "", m); err != nil {
		return &os.PathError{Op: "chown", Path: name, Err: err}
	}
	if err := unix.Fchmod(fd, m.mode); err != nil { // after chown, which clears setuid
		return &os.PathError{Op: "chmod", Path: name, Err: err}
	}
	if err := setTime(parent, base, m.mtime); err != nil {
		return err
	}
	return file.Close()
}

// plainWriter hides the ReadFrom of a file, which would bypass e.buf.
type plainWriter struct{ io.Writer }

// setXattrs sets the extended attributes of a PAX header. Those with a meaning for
// an overlay mount are refused.
func setXattrs(fd int, h *tar.Header) error {
	for key, value := range h.PAXRecords {
		name, ok := strings.CutPrefix(key, "SCHILY.xattr.")
		if !ok {
			continue
		}
		if strings.HasPrefix(name, "trusted.") || strings.HasPrefix(name, "user.overlay.") {
			return fmt.Errorf("extended attribute %s is not allowed", name)
		}
		if err := unix.Fsetxattr(fd, name, []byte(value), 0); err != nil {
			return fmt.Errorf("set extended attribute %s: %w", name, err)
		}
	}
	return nil
}

func setTime(parent int, base string, mtime int64) error {
	ts := []unix.Timespec{unix.NsecToTimespec(mtime * 1e9), unix.NsecToTimespec(mtime * 1e9)}
	if err := unix.UtimesNanoAt(parent, base, ts, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return &os.PathError{Op: "utimensat", Path: base, Err: err}
	}
	return nil
}

// hardLink links to an earlier file of the same package.
func (e *extractor) hardLink(name, target string) error {
	to, err := cleanName(target)
	if err != nil {
		return err
	}
	if !e.p.files[canonical(to)] || e.links[to] {
		return fmt.Errorf("hard link %q to %q, which is not an earlier file of the package", name, target)
	}
	from, err := e.u.root.openDir(path.Dir(to))
	if err != nil {
		return err
	}
	defer unix.Close(from)
	parent, base, err := e.dirs.parent(name)
	if err != nil {
		return err
	}
	if err := unix.Linkat(from, path.Base(to), parent, base, 0); err != nil {
		return &os.LinkError{Op: "link", Old: to, New: name, Err: err}
	}
	return nil
}

// symlink makes a link with its target as it is: it is resolved in the root
// whenever it is followed. An existing link with the same target is kept.
func (e *extractor) symlink(name, target string, m meta) error {
	parent, base, err := e.dirs.parent(name)
	if err != nil {
		return err
	}
	err = unix.Symlinkat(target, parent, base)
	if err == unix.EEXIST {
		have := make([]byte, len(target)+1)
		if n, err2 := unix.Readlinkat(parent, base, have); err2 == nil && string(have[:n]) == target {
			err = nil
		}
	}
	if err != nil {
		return &os.LinkError{Op: "symlink", Old: target, New: name, Err: err}
	}
	if err := e.u.chown(parent, base, m); err != nil {
		return &os.PathError{Op: "chown", Path: name, Err: err}
	}
	return setTime(parent, base, m.mtime)
}

func (e *extractor) fifo(name string, m meta) error {
	parent, base, err := e.dirs.parent(name)
	if err != nil {
		return err
	}
	if err := unix.Mknodat(parent, base, unix.S_IFIFO|0o600, 0); err != nil {
		return &os.PathError{Op: "mkfifo", Path: name, Err: err}
	}
	if err := e.u.setMeta(parent, base, m); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

// setMeta sets owner, mode, times and attributes of a name that is not a symbolic
// link.
func (u *unpacking) setMeta(parent int, base string, m meta) error {
	if err := u.chown(parent, base, m); err != nil {
		return fmt.Errorf("chown: %w", err)
	}
	if err := unix.Fchmodat(parent, base, m.mode, 0); err != nil {
		return fmt.Errorf("chmod: %w", err)
	}
	return setTime(parent, base, m.mtime)
}

// removeLoser removes a file that another package owned and this one replaces.
func (e *extractor) removeLoser(name string) error {
	parent, base, err := e.dirs.parent(name)
	if err != nil {
		return err
	}
	if err := unix.Unlinkat(parent, base, 0); err != nil && err != unix.ENOENT {
		return &os.PathError{Op: "unlink", Path: name, Err: err}
	}
	return nil
}

func newExtractor(u *unpacking, p *unpacked) *extractor {
	e := &extractor{
		u: u, p: p, dirs: newDirCache(u.root), links: map[string]bool{},
		conffiles: map[string]bool{}, buf: make([]byte, 128<<10),
	}
	for _, c := range p.conffiles {
		e.conffiles[c.path] = !c.gone
	}
	if p.control.member("md5sums") == "" {
		e.sum = md5.New()
	}
	return e
}
