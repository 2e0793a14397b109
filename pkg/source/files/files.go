// This Source Code Form is subject to the terms of the Mozilla Public
// License, v. 2.0. If a copy of the MPL was not distributed with this
// file, You can obtain one at https://mozilla.org/MPL/2.0/.

package files

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/carosio/carosbuild/pkg/beneath"
	"github.com/carosio/carosbuild/pkg/decl"
	"github.com/carosio/carosbuild/pkg/key"
)

// BaseName is the last component of a slash-separated path; "" for "." and
// what ends in a slash.
func BaseName(p string) string {
	p = strings.TrimSuffix(p, "/.")
	p = strings.TrimRight(p, "/")
	name := p[strings.LastIndexByte(p, '/')+1:]
	if name == "." {
		return ""
	}
	return name
}

// Dirs are where a stage's relative sources are looked for: DIR/STAGE,
// then DIR, where DIR is the directory of the declaring file (redomat's rule).
func Dirs(s *decl.Stage) []string {
	var dirs []string
	for _, d := range s.Dirs {
		dirs = append(dirs, filepath.Join(d, s.ID), d)
	}
	return dirs
}

// Find is the place of an ADD or COPY source on the host: as named when
// it is absolute, else the first of Dirs that has it.
func Find(s *decl.Stage, source string) (string, error) {
	if filepath.IsAbs(source) {
		_, err := os.Lstat(source)
		return source, err
	}
	if !filepath.IsLocal(source) {
		return "", fmt.Errorf("source %q leads out of the declaration's directory", source)
	}
	for _, dir := range Dirs(s) {
		path := filepath.Join(dir, source)
		_, err := os.Lstat(path)
		if err == nil {
			return path, nil
		}
		if !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, syscall.ENOTDIR) {
			return "", err
		}
	}
	return "", &fs.PathError{Op: "find", Path: source, Err: fs.ErrNotExist}
}

// Check refuses what the kernel says about this machine or this very
// process, such as its environment, in the form of files.
func Check(path string) error {
	var st unix.Statfs_t
	if err := unix.Statfs(path, &st); err != nil {
		return err
	}
	return checkType(&st, path)
}

// checkOpen is Check for an open file.
func checkOpen(fd int, path string) error {
	var st unix.Statfs_t
	if err := unix.Fstatfs(fd, &st); err != nil {
		return err
	}
	return checkType(&st, path)
}

func checkType(st *unix.Statfs_t, path string) error {
	switch uint32(st.Type) {
	case unix.PROC_SUPER_MAGIC, unix.SYSFS_MAGIC, unix.DEVPTS_SUPER_MAGIC, unix.DEBUGFS_MAGIC, unix.TRACEFS_MAGIC, unix.SECURITYFS_MAGIC,
		unix.CGROUP_SUPER_MAGIC, unix.CGROUP2_SUPER_MAGIC, unix.BPF_FS_MAGIC, unix.EFIVARFS_MAGIC:
		return fmt.Errorf("%s is what the kernel tells about this machine and its processes, not a file for a stage", path)
	}
	return nil
}

// Digest is the digest of a file or directory to be added: names, kinds,
// contents, link targets and whether a file is executable. Times, owners and
// what an umask changes do not count, since they do not reach the layer.
func Digest(ctx context.Context, path string) (string, error) {
	digest, _, err := DigestAll(ctx, path)
	return digest, err
}

// AddedFile is a file, directory or link of an ADD or COPY, for history.Explain.
type AddedFile struct {
	Path string `json:"p"` // below the source; "." is the source itself
	Mode string `json:"m"` // octal, type bits included
	Sum  string `json:"s"` // the beginning of the digest of its content
}

// DigestAll is Digest, with what it is made of.
func DigestAll(ctx context.Context, path string) (string, []AddedFile, error) {
	var d Digester
	err := Walk(path, func(rel, full string, st fs.FileInfo) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		var content string
		var err error
		switch {
		case st.Mode().IsRegular():
			content, err = contentDigest(full)
		case st.Mode()&fs.ModeSymlink != 0:
			content, err = os.Readlink(full)
		case st.IsDir(): // may be a mount point
			err = Check(full)
		default:
			err = &fs.PathError{Op: "add", Path: full, Err: errors.New("is neither a file, a directory nor a link")}
		}
		if err != nil {
			return err
		}
		d.Add(rel, st, content)
		return nil
	})
	if err != nil {
		return "", nil, err
	}
	return d.Sum(), d.Files, nil
}

// Digester makes the digest of a source of what Walk finds, in its order. The zero
// value is ready.
type Digester struct {
	Files []AddedFile // so far
	h     hash.Hash
}

// Add takes a file, directory or link in. Content is the SHA-256 of a file, 32
// bytes, or where a link leads to.
func (d *Digester) Add(rel string, st fs.FileInfo, content string) {
	if d.h == nil {
		d.h = sha256.New()
	}
	f := AddedFile{Path: filepath.ToSlash(rel), Mode: fmt.Sprintf("%o", Mode(st)), Sum: hex.EncodeToString([]byte(content[:min(8, len(content))]))}
	if st.Mode()&fs.ModeSymlink != 0 {
		f.Sum = key.Of("link", content)[:16]
	}
	d.Files = append(d.Files, f)
	io.WriteString(d.h, key.List([]string{f.Path, f.Mode, content}))
}

// Sum is the digest of all that was added.
func (d *Digester) Sum() string {
	if d.h == nil {
		d.h = sha256.New()
	}
	return hex.EncodeToString(d.h.Sum(nil))
}

// Mode is the mode that an added file gets, type bits included: 755 or 644,
// as in a git checkout, so that the umask it was made under does not count.
func Mode(st fs.FileInfo) fs.FileMode {
	switch {
	case st.Mode()&fs.ModeSymlink != 0:
		return fs.ModeSymlink | 0o777
	case st.IsDir():
		return fs.ModeDir | 0o755
	case st.Mode()&0o111 != 0:
		return 0o755
	}
	return 0o644
}

// Walk calls f for path and all below it in byte order; rel is "." for
// path itself. A link at path itself is followed, those below are not. full
// names the file during the call, however deep it is and whatever becomes of the
// directories that lead to it: somebody else may be able to write to them. Errors
// name it as it is found from path.
func Walk(path string, f func(rel, full string, st fs.FileInfo) error) error {
	st, err := os.Stat(path)
	if err != nil {
		return err
	}
	if !st.IsDir() {
		return walkFile(path, f)
	}
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return &fs.PathError{Op: "open", Path: path, Err: err}
	}
	defer unix.Close(fd)
	full := fmt.Sprintf("/proc/self/fd/%d/.", fd)
	if st, err = os.Stat(full); err == nil {
		err = f(".", full, st)
	}
	if err != nil {
		return renamed(err, full, path)
	}
	return walkBelow(beneath.Root(fd), path, f)
}

// walkFile is Walk for a source that is not a directory. One that is open already,
// by its name in /proc, is what it is.
func walkFile(path string, f func(rel, full string, st fs.FileInfo) error) error {
	full := path
	if !strings.HasPrefix(path, "/proc/self/fd/") {
		real, err := filepath.EvalSymlinks(path)
		if err != nil {
			return err
		}
		dir, err := unix.Open(filepath.Dir(real), unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
		if err != nil {
			return &fs.PathError{Op: "open", Path: path, Err: err}
		}
		defer unix.Close(dir)
		full = fmt.Sprintf("/proc/self/fd/%d/%s", dir, filepath.Base(real))
	}
	st, err := os.Stat(full)
	if err == nil {
		err = f(".", full, st)
	}
	return renamed(err, full, path)
}

// Open opens a regular file that Walk has named, and refuses what has taken its
// place: a link, a pipe, or what the kernel tells about this machine.
func Open(full string) (*os.File, error) {
	fd, err := unix.Open(full, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: full, Err: err}
	}
	f := os.NewFile(uintptr(fd), full)
	st, err := f.Stat()
	if err == nil && !st.Mode().IsRegular() {
		err = &fs.PathError{Op: "add", Path: full, Err: errors.New("is not a file any more")}
	}
	if err == nil {
		err = checkOpen(fd, full)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

func walkBelow(dir *beneath.Dir, top string, f func(rel, full string, st fs.FileInfo) error) error {
	fd, err := dir.FD()
	if err != nil {
		return &fs.PathError{Op: "open", Path: filepath.Join(top, dir.Path()), Err: err}
	}
	names, err := beneath.Names(fd)
	if err != nil {
		return &fs.PathError{Op: "list", Path: filepath.Join(top, dir.Path()), Err: err}
	}
	for _, name := range names {
		rel := dir.Join(name)
		if fd, err = dir.FD(); err != nil {
			return &fs.PathError{Op: "open", Path: filepath.Join(top, dir.Path()), Err: err}
		}
		full := fmt.Sprintf("/proc/self/fd/%d/%s", fd, name)
		st, err := os.Lstat(full)
		if err == nil {
			err = f(rel, full, st)
		}
		if err != nil {
			return renamed(err, full, filepath.Join(top, rel))
		}
		if !st.IsDir() {
			continue
		}
		sub, err := dir.Enter(name)
		if err != nil {
			return &fs.PathError{Op: "open", Path: filepath.Join(top, rel), Err: err}
		}
		dir.Rest()
		err = walkBelow(sub, top, f)
		sub.Close()
		if err != nil {
			return err
		}
	}
	return nil
}

// renamed is an error about the file from that says to.
func renamed(err error, from, to string) error {
	var pe *fs.PathError
	if errors.As(err, &pe) && pe.Path == from {
		pe.Path = to
	}
	return err
}

func contentDigest(path string) (string, error) {
	f, err := Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	return string(h.Sum(nil)), nil
}

// PatternHint says what to do instead of writing a pattern.
func PatternHint(src string) string {
	if !strings.ContainsAny(src, "*?[") {
		return ""
	}
	return "wildcards are not expanded: name the directory, whose contents are copied, or each file"
}
