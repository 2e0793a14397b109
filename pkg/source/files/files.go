// SPDX-License-Identifier: MPL-2.0

package files

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/carosio/carosbuild/pkg/decl"
	"github.com/carosio/carosbuild/pkg/inorder"
	"github.com/carosio/carosbuild/pkg/key"
)

// BaseName is the last component of a slash-separated path; "" for "." and for
// paths that end in a slash.
func BaseName(p string) string {
	p = strings.TrimSuffix(p, "/.")
	p = strings.TrimRight(p, "/")
	name := p[strings.LastIndexByte(p, '/')+1:]
	if name == "." {
		return ""
	}
	return name
}

// Dirs are the directories in which a stage's relative sources are looked for:
// DIR/STAGE, then DIR, where DIR is the directory of the declaring file (redomat's
// rule).
func Dirs(s *decl.Stage) []string {
	var dirs []string
	for _, d := range s.Dirs {
		dirs = append(dirs, filepath.Join(d, s.ID), d)
	}
	return dirs
}

// Find returns the path of an ADD or COPY source on the host: the source itself if
// it is absolute, else its path in the first of Dirs that has it.
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

// Digest is the digest of a file or directory to be added: names, kinds, contents,
// link targets and whether a file is executable. Times, owners and permissions that
// depend on the umask do not count, since they do not reach the layer.
func Digest(ctx context.Context, path string) (string, error) {
	digest, _, err := DigestAll(ctx, path)
	return digest, err
}

// AddedFile is a file, directory or link of an ADD or COPY, for history.Explain.
type AddedFile struct {
	Path string `json:"p"` // path below the source; "." is the source itself
	Mode string `json:"m"` // octal, type bits included
	Sum  string `json:"s"` // the beginning of the digest of its content
}

// DigestAll is Digest; it also returns the files that the digest covers. Files are
// read on several processors.
func DigestAll(ctx context.Context, path string) (string, []AddedFile, error) {
	return Memory{}.DigestAll(ctx, path)
}

// digestAll is DigestAll, without reading the known files. Learn gets the SHA-256 of each
// file, and a time before it was read.
func digestAll(ctx context.Context, path string, known Known, learn func(st fs.FileInfo, sum string, read time.Time), now func() time.Time) (string, []AddedFile, error) {
	var d Digester
	var q inorder.Queue
	err := Walk(path, func(rel, full string, st fs.FileInfo) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		var sum string
		read := func() error { return nil }
		var err error
		before := now()
		switch {
		case st.Mode().IsRegular():
			var ok bool
			if sum, ok = known.Sum(st); ok {
				break
			}
			var digest func() (string, error)
			if digest, err = content(full); err == nil {
				read = func() (err error) { sum, err = digest(); return err }
			}
		case st.Mode()&fs.ModeSymlink != 0:
			sum, err = os.Readlink(full)
		case st.IsDir(): // may be a mount point
			err = Check(full)
		default:
			err = &fs.PathError{Op: "add", Path: full, Err: errors.New("is neither a file, a directory nor a link")}
		}
		if err != nil {
			return err
		}
		do := func(then func(error) error) error { return q.Do(read, then) }
		if st.Size() < small || !st.Mode().IsRegular() {
			do = func(then func(error) error) error { return q.Done(read(), then) }
		}
		return do(func(err error) error {
			if err != nil {
				return Renamed(err, full, filepath.Join(path, rel))
			}
			d.Add(rel, st, sum)
			if st.Mode().IsRegular() {
				learn(st, sum, before)
			}
			return nil
		})
	})
	if late := q.Wait(); err == nil {
		err = late
	}
	if err != nil {
		return "", nil, err
	}
	return d.Sum(), d.Files, nil
}

// small is the size, in bytes, below which a file is read sooner than another goroutine
// starts.
const small = 32 << 10

// buffers are reused for reading files.
var buffers = sync.Pool{New: func() any { b := make([]byte, 128<<10); return &b }}

// Digester computes the digest of a source from what Walk finds, in its order. The
// zero value is ready to use.
type Digester struct {
	Files []AddedFile // so far
	h     hash.Hash
}

// Add adds a file, directory or link. Content is the SHA-256 of a file, 32 bytes,
// or the target of a link.
func (d *Digester) Add(rel string, st fs.FileInfo, content string) {
	if d.h == nil {
		d.h = sha256.New()
	}
	f := AddedFile{Path: filepath.ToSlash(rel), Mode: fmt.Sprintf("%o", Mode(st)), Sum: hex.EncodeToString([]byte(content[:min(8, len(content))]))}
	if st.Mode()&fs.ModeSymlink != 0 {
		f.Sum = key.Name("link", content)[:16]
	}
	d.Files = append(d.Files, f)
	d.h.Write([]byte(key.List([]string{f.Path, f.Mode, content})))
}

// Sum is the digest of everything that was added.
func (d *Digester) Sum() string {
	if d.h == nil {
		d.h = sha256.New()
	}
	return hex.EncodeToString(d.h.Sum(nil))
}

// Mode is the mode that an added file gets, type bits included: 755 or 644, as in a
// git checkout, so that it does not depend on an umask.
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

// Renamed changes the name in an error about the file from, which Walk has named
// so, to to.
func Renamed(err error, from, to string) error {
	var pe *fs.PathError
	if errors.As(err, &pe) && pe.Path == from {
		pe.Path = to
	}
	return err
}

// PatternHint says what to write instead of a pattern.
func PatternHint(src string) string {
	if !strings.ContainsAny(src, "*?[") {
		return ""
	}
	return "wildcards are not expanded: name the directory, whose contents are copied, or each file"
}
