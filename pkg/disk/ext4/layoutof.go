// SPDX-License-Identifier: MPL-2.0

package ext4

import "github.com/carosio/carosbuild/pkg/disk/tree"

// Run is a part of a file and its place on the device, in bytes.
type Run struct{ Off, At, Len int64 }

// Layout returns the places of the content of an entry of FS.Tree: everything outside
// the runs is a hole. ok is false for an entry of another source, for contents that are
// in the inode, and for a damaged file.
func Layout(e *tree.Entry) (runs []Run, ok bool) {
	if e.Size == 0 && e.Type() == tree.Regular {
		return nil, true
	}
	c, ok := e.Content.(*data)
	if !ok || c.f.inline(c.n) {
		return nil, false
	}
	block := c.f.block
	w := walker{f: c.f, n: c.n, from: 0, to: (c.n.size()-1)/block + 1, piece: func(x piece) (bool, error) {
		if x.unwritten {
			return true, nil
		}
		r := Run{x.logical * block, x.start * block, x.n * block}
		if k := len(runs) - 1; k >= 0 && runs[k].Off+runs[k].Len == r.Off && runs[k].At+runs[k].Len == r.At {
			runs[k].Len += r.Len
		} else {
			runs = append(runs, r)
		}
		return true, nil
	}}
	if w.walk() != nil {
		return nil, false
	}
	return runs, true
}
