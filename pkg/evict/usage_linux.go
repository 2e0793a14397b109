// SPDX-License-Identifier: MPL-2.0

package evict

import (
	"time"

	"golang.org/x/sys/unix"
)

// usage is what one file or directory takes of the disk, and when it was used.
func usage(path string) (size int64, used time.Time, err error) {
	var st unix.Stat_t
	if err := unix.Lstat(path, &st); err != nil {
		return 0, time.Time{}, err
	}
	used, size = time.Unix(st.Mtim.Unix()), st.Blocks*512
	if st.Mode&unix.S_IFMT == unix.S_IFREG {
		size /= max(int64(st.Nlink), 1) // a link's share
		if a := time.Unix(st.Atim.Unix()); a.After(used) {
			used = a
		}
	}
	return size, used, nil
}
