// SPDX-License-Identifier: MPL-2.0

package initrd

import (
	"fmt"
	"io"

	"github.com/carosio/carosbuild/pkg/disk/tree"
)

// lookup finds entries of a tree by path.
type lookup struct{ *tree.Tree }

func newLookup(t *tree.Tree) lookup { return lookup{t} }

// find follows symbolic links, without leaving the tree, and hard links.
func (l lookup) find(name string) (*tree.Entry, bool) {
	e, err := l.Lookup(name)
	return e, err == nil
}

// list returns the sorted names in a directory.
func (l lookup) list(dir string) []string {
	e, ok := l.find(dir)
	if !ok {
		return nil
	}
	return l.Names(e.Path)
}

// text reads a file that may be missing.
func (l lookup) text(name string) (string, bool, error) {
	e, ok := l.find(name)
	if !ok || e.Type() != tree.Regular {
		return "", false, nil
	}
	b, err := read(e)
	return string(b), true, err
}

// maxFile bounds the size of a file that is read into memory; modules and busybox
// are far smaller.
const maxFile = 256 << 20

func read(e *tree.Entry) ([]byte, error) {
	if e.Size > maxFile || e.Size < 0 {
		return nil, fmt.Errorf("/%s has %d bytes, too many for an initrd", e.Path, e.Size)
	}
	if e.Size == 0 {
		return nil, nil
	}
	b := make([]byte, e.Size)
	if n, err := e.Content.ReadAt(b, 0); int64(n) < e.Size {
		return nil, fmt.Errorf("read /%s: %d of %d bytes: %w", e.Path, n, e.Size, orUnexpectedEOF(err))
	}
	return b, nil
}

func orUnexpectedEOF(err error) error {
	if err == nil || err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}
