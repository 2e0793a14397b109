// SPDX-License-Identifier: MPL-2.0

package disk

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// openBypass opens an open file again without the page cache; nil if the file
// system does not support this.
func openBypass(f *os.File) *os.File {
	b, err := os.OpenFile(fmt.Sprintf("/proc/self/fd/%d", f.Fd()), os.O_WRONLY|unix.O_DIRECT, 0)
	if err != nil {
		return nil
	}
	return b
}
