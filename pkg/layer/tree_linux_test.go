// SPDX-License-Identifier: MPL-2.0

package layer

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"golang.org/x/sys/unix"
)

// describe is one line for each file: type, mode, owner, links, time,
// attributes, content.
func describe(root string) (map[string]string, error) {
	out := map[string]string{}
	err := filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		var st unix.Stat_t
		if err := unix.Lstat(p, &st); err != nil {
			return err
		}
		rel, err := filepath.Rel(root, p)
		if err != nil {
			return err
		}
		line := fmt.Sprintf("%o %d:%d", st.Mode, st.Uid, st.Gid)
		if rel != "." && st.Mode&unix.S_IFMT != unix.S_IFCHR || st.Rdev != 0 {
			line += fmt.Sprintf(" %d.%d", st.Mtim.Sec, st.Mtim.Nsec)
		}
		switch st.Mode & unix.S_IFMT {
		case unix.S_IFREG:
			b, err := os.ReadFile(p)
			if err != nil {
				return err
			}
			line += fmt.Sprintf(" %d %q", st.Nlink, b)
		case unix.S_IFLNK:
			to, _ := os.Readlink(p)
			line += " " + to
		}
		buf := make([]byte, 4096)
		for _, a := range []string{"security.capability", "user.note"} {
			if n, err := unix.Lgetxattr(p, a, buf); err == nil {
				line += fmt.Sprintf(" %s=%q", a, buf[:n])
			}
		}
		out[rel] = line
		return nil
	})
	return out, err
}

func sameTrees(a, b string) error {
	x, err := describe(a)
	if err != nil {
		return err
	}
	y, err := describe(b)
	if err != nil {
		return err
	}
	var diff []string
	for k, v := range x {
		if y[k] != v {
			diff = append(diff, fmt.Sprintf("%s: %s, other %s", k, v, y[k]))
		}
	}
	for k, v := range y {
		if _, ok := x[k]; !ok {
			diff = append(diff, fmt.Sprintf("%s: absent, other %s", k, v))
		}
	}
	if len(diff) > 0 {
		slices.Sort(diff)
		return fmt.Errorf("%d files: %q", len(diff), diff)
	}
	return nil
}
