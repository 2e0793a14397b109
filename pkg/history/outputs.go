// SPDX-License-Identifier: MPL-2.0

package history

import (
	"io/fs"
	"os"
	"path/filepath"

	"github.com/carosio/carosbuild/pkg/disk"
)

// OutputsOf are the files of an output of a disk as they are now. Devices and pipes
// are not files. Their digests are not known.
func OutputsOf(diskID string, o disk.Output) []Output {
	var outs []Output
	for _, path := range o.Files() {
		out, ok := outputOf(path)
		if !ok {
			continue
		}
		out.Disk, out.Format = diskID, string(o.Format)
		if f, err := disk.FormatFor(string(o.Format), o.Path); err == nil {
			out.Format = string(f)
		}
		outs = append(outs, out)
	}
	return outs
}

func outputOf(path string) (Output, bool) {
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		return Output{}, false
	}
	if real, err = filepath.Abs(real); err != nil {
		return Output{}, false
	}
	st, err := os.Stat(real)
	if err != nil || !st.Mode().IsRegular() {
		return Output{}, false
	}
	return Output{Path: real, Size: st.Size(), ModTime: st.ModTime().UTC(), Inode: Inode(st)}, true
}

// Is reports whether a file is still the one that the build wrote.
func (o Output) Is(st fs.FileInfo) bool {
	return st.Size() == o.Size && st.ModTime().Equal(o.ModTime) && Inode(st) == o.Inode
}
