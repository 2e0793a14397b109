// SPDX-License-Identifier: MPL-2.0

package diskcmd

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/carosio/carosbuild/cmd/carosbuild/internal/render"
	"github.com/carosio/carosbuild/pkg/disk/inspect"
	"github.com/carosio/carosbuild/pkg/disk/tree"
)

// listPath prints a directory, or a file, in the form of ls -l.
func (c *inspection) listPath(d *inspect.Disk) error {
	t, e, err := d.Find(c.list)
	if err != nil {
		return err
	}
	g := render.Grid{Right: []int{1, 2}}
	if e.Type() != tree.Dir {
		g.Add(longLine(e, e)...)
		return g.Print(c.Stdout, "")
	}
	for _, name := range t.Names(e.Path) {
		x, file, err := entryOf(t, strings.TrimPrefix(e.Path+"/"+name, "/"))
		if err != nil {
			return err
		}
		g.Add(longLine(x, file)...)
	}
	return g.Print(c.Stdout, "")
}

// entryOf is the entry of exactly that path, and the entry that has its metadata.
func entryOf(t *tree.Tree, path string) (e, file *tree.Entry, err error) {
	i, ok := slices.BinarySearchFunc(t.Entries, path, func(e tree.Entry, p string) int { return tree.Compare(e.Path, p) })
	if !ok {
		return nil, nil, fmt.Errorf("/%s is not there", path)
	}
	e = &t.Entries[i]
	if e.Hardlink == "" {
		return e, e, nil
	}
	file, err = t.Lookup(e.Hardlink)
	return e, file, err
}

// longLine is mode, owner, size or device, time and name.
func longLine(e, file *tree.Entry) []string {
	size := fmt.Sprint(max(file.Size, int64(len(file.Link))))
	if file.Type() == tree.Char || file.Type() == tree.Block {
		size = fmt.Sprintf("%d, %d", file.Rdev.Major, file.Rdev.Minor)
	}
	name := e.Name()
	if file.Link != "" {
		name += " -> " + file.Link
	}
	return []string{modeText(file.Mode), fmt.Sprintf("%d:%d", file.UID, file.GID), size, time.Unix(file.Mtime, 0).UTC().Format("2006-01-02 15:04"), name}
}

// modeText is a mode in the form of ls.
func modeText(mode uint32) string {
	kinds := map[uint32]byte{tree.Socket: 's', tree.Symlink: 'l', tree.Regular: '-', tree.Block: 'b', tree.Dir: 'd', tree.Char: 'c', tree.FIFO: 'p'}
	b := []byte("?rwxrwxrwx")
	if k := kinds[mode&tree.TypeMask]; k != 0 {
		b[0] = k
	}
	for i := range 9 {
		if mode>>(8-i)&1 == 0 {
			b[1+i] = '-'
		}
	}
	for i, s := range []string{"sS", "sS", "tT"} {
		if mode>>(11-i)&1 == 0 {
			continue
		}
		if at := 3 * (i + 1); b[at] == 'x' {
			b[at] = s[0]
		} else {
			b[at] = s[1]
		}
	}
	return string(b)
}
