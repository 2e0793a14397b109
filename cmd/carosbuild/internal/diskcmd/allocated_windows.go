// SPDX-License-Identifier: MPL-2.0

package diskcmd

import "os"

// allocated is how large a file is, in bytes: what it takes is not asked for.
func allocated(path string) int64 {
	st, err := os.Stat(path)
	if err != nil {
		return 0
	}
	return st.Size()
}
