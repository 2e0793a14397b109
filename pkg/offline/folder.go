// SPDX-License-Identifier: MPL-2.0

package offline

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"

	"golang.org/x/sync/errgroup"

	"github.com/carosio/carosbuild/pkg/freshfile"
)

// Folder is a vendored folder.
type Folder struct {
	dir  string // absolute
	list *list
}

// Debian is the directory with the parts of mirrors, Git that with the bundles, and Images
// the OCI layout.
func (f *Folder) Debian() string { return filepath.Join(f.dir, debianName) }

// Git is the directory with the bundles.
func (f *Folder) Git() string { return filepath.Join(f.dir, gitName) }

// Images is the OCI layout.
func (f *Folder) Images() string { return filepath.Join(f.dir, imagesName) }

// FolderError says why a vendored folder cannot be used.
type FolderError struct {
	Dir string
	Err error
}

func (e *FolderError) Error() string {
	return fmt.Sprintf("the vendored folder %s cannot be used: %v", e.Dir, e.Err)
}
func (e *FolderError) Unwrap() error { return e.Err }

// Open checks a folder: everything in it is a regular file or a directory, no file is
// missing or was added, and each is as large as listed. With read, each has its digest, too.
func Open(ctx context.Context, dir string, read bool) (*Folder, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	f := &Folder{dir: abs}
	if err := f.open(ctx, read); err != nil {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		return nil, &FolderError{dir, err}
	}
	return f, nil
}

func (f *Folder) open(ctx context.Context, read bool) error {
	root, err := os.OpenRoot(f.dir)
	if err != nil {
		return plain(err)
	}
	defer root.Close()
	data, err := readList(root)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("it has no %s, which carosbuild vendor writes", listName)
	}
	if err == nil {
		f.list, err = parseList(data)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", listName, err)
	}
	if err := f.compare(root); err != nil {
		return err
	}
	if !read {
		return nil
	}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(runtime.NumCPU())
	for _, l := range f.list.Files {
		g.Go(func() error {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			return check(root, l)
		})
	}
	return g.Wait()
}

// plain is an error of a file without the operation and the name.
func plain(err error) error {
	if p, ok := errors.AsType[*fs.PathError](err); ok {
		return p.Err
	}
	return err
}

// openRegular opens a file of the folder and follows no link.
func openRegular(root *os.Root, name string) (*os.File, error) {
	st, err := root.Lstat(filepath.FromSlash(name))
	if err != nil {
		return nil, err
	}
	if !st.Mode().IsRegular() { // a pipe would be waited for
		return nil, errors.New("it is not a regular file")
	}
	return root.OpenFile(filepath.FromSlash(name), os.O_RDONLY|freshfile.NoFollow, 0)
}

func readList(root *os.Root) ([]byte, error) {
	in, err := openRegular(root, listName)
	if err != nil {
		return nil, plain(err)
	}
	defer in.Close()
	data, err := io.ReadAll(io.LimitReader(in, maxList+1))
	if err == nil && len(data) > maxList {
		err = fmt.Errorf("it has more than %d MiB", maxList>>20)
	}
	return data, err
}

// compare holds what is in the folder against the list.
func (f *Folder) compare(root *os.Root) error {
	want := map[string]int64{}
	for _, l := range f.list.Files {
		want[l.Path] = l.Size
	}
	err := fs.WalkDir(root.FS(), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() || name == listName {
			return nil
		}
		if !d.Type().IsRegular() {
			return fmt.Errorf("%s is not a regular file", name)
		}
		st, err := d.Info()
		if err != nil {
			return err
		}
		size, ok := want[name]
		switch {
		case !ok:
			return fmt.Errorf("%s is not in its %s", name, listName)
		case size != st.Size():
			return fmt.Errorf("%s has %d bytes, and its %s says %d", name, st.Size(), listName, size)
		}
		delete(want, name)
		return nil
	})
	if err != nil {
		return err
	}
	for _, l := range f.list.Files {
		if _, missing := want[l.Path]; missing {
			return fmt.Errorf("%s is missing", l.Path)
		}
	}
	return nil
}

// check reads a file.
func check(root *os.Root, l file) error {
	in, err := openRegular(root, l.Path)
	if err != nil {
		return fmt.Errorf("%s: %w", l.Path, plain(err))
	}
	defer in.Close()
	sum := sha256.New()
	n, err := io.Copy(sum, io.LimitReader(in, l.Size+1))
	if err != nil {
		return fmt.Errorf("%s: %w", l.Path, err)
	}
	if got := hex.EncodeToString(sum.Sum(nil)); n != l.Size || got != l.SHA256 {
		return fmt.Errorf("%s is damaged: its SHA256 is %s, and its %s says %s", l.Path, got, listName, l.SHA256)
	}
	return nil
}
