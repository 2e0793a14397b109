// SPDX-License-Identifier: MPL-2.0

package diskcmd

import "os"

// allocated is the size of a file in bytes: the allocated size is not determined.
func allocated(path string) int64 {
	st, err := os.Stat(path)
	if err != nil {
		return 0
	}
	return st.Size()
}
