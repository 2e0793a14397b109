// SPDX-License-Identifier: MPL-2.0

package disktest

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/carosio/carosbuild/pkg/disk/tree"
)

// Unpacked are the views of the files in a directory, by path.
func Unpacked(t testing.TB, dir string) map[string]View {
	t.Helper()
	out, first := map[string]View{}, map[uint64]string{}
	err := filepath.WalkDir(dir, func(p string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := strings.TrimPrefix(strings.TrimPrefix(p, dir), "/")
		var st unix.Stat_t
		if err := unix.Lstat(p, &st); err != nil {
			return err
		}
		v := View{Mode: st.Mode, UID: st.Uid, GID: st.Gid, Mtime: st.Mtim.Sec, Nsec: st.Mtim.Nsec, Xattrs: xattrs(t, p)}
		switch st.Mode & tree.TypeMask {
		case tree.Regular:
			f, err := os.Open(p)
			if err != nil {
				return err
			}
			defer func() { _ = f.Close() }()
			v.Size, v.Sum = st.Size, Sum(t, f, st.Size)
		case tree.Symlink:
			v.Link, err = os.Readlink(p)
		case tree.Char, tree.Block:
			v.Rdev = tree.Device{Major: unix.Major(st.Rdev), Minor: unix.Minor(st.Rdev)}
		}
		if st.Mode&tree.TypeMask != tree.Dir {
			v.Same = first[st.Ino]
			if v.Same == "" {
				first[st.Ino] = name
			}
		}
		out[name] = v
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func xattrs(t testing.TB, p string) map[string]string {
	t.Helper()
	out := map[string]string{}
	names := make([]byte, 65536)
	n, err := unix.Llistxattr(p, names)
	if err != nil {
		t.Fatal(err)
	}
	for name := range strings.SplitSeq(strings.TrimSuffix(string(names[:n]), "\x00"), "\x00") {
		if name == "" {
			continue
		}
		value := make([]byte, 70000)
		n, err := unix.Lgetxattr(p, name, value)
		if err != nil {
			t.Fatal(err)
		}
		out[name] = string(value[:n])
	}
	return out
}
