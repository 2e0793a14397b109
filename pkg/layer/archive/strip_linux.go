// SPDX-License-Identifier: MPL-2.0

package archive

import (
	"fmt"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/carosio/carosbuild/pkg/beneath"
	"github.com/carosio/carosbuild/pkg/terminal"
)

// Strip removes from all files of a tree the attributes that no stream may set. On an
// overlay mount the kernel keeps others from setting overlay's own; in a plain directory
// it does not.
func Strip(dir string) error {
	fd, err := openDirectory(dir)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	buf := make([]byte, 64<<10)
	if err := stripXattrs(fdPath(fd)+"/.", Format{}, buf); err != nil {
		return err
	}
	return stripBelow(beneath.Root(fd), Format{}, buf)
}

func stripBelow(dir *beneath.Dir, f Format, buf []byte) error {
	return eachBelow(dir, func(fd int, name, path string) (mode uint32, err error) {
		var st unix.Stat_t
		if err := unix.Fstatat(fd, name, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
			return 0, fmt.Errorf("stat %s: %w", shown(path), err)
		}
		if err := stripXattrs(fdPath(fd)+"/"+name, f, buf); err != nil {
			return 0, fmt.Errorf("%s: %w", shown(path), err)
		}
		return st.Mode, nil
	})
}

// stripXattrs removes from a file the attributes that no stream may set.
func stripXattrs(file string, f Format, buf []byte) error {
	n, err := unix.Llistxattr(file, buf)
	if err == unix.ENOTSUP || n == 0 && err == nil {
		return nil
	}
	if err != nil {
		return fmt.Errorf("list extended attributes: %w", err)
	}
	for key := range strings.SplitSeq(strings.TrimSuffix(string(buf[:n]), "\x00"), "\x00") {
		if !PrivateXattr(key) || f.owners().Own(key) {
			continue
		}
		if err := unix.Lremovexattr(file, key); err != nil && err != unix.ENODATA {
			return fmt.Errorf("remove extended attribute %s: %w", terminal.Line(key), err)
		}
	}
	return nil
}
