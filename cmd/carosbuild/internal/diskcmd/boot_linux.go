// SPDX-License-Identifier: MPL-2.0

package diskcmd

import (
	"fmt"
	"os"

	"github.com/carosio/carosbuild/pkg/disk"
)

// rawPath is the path at which QEMU finds an open raw disk. A decompressed disk has
// no name.
func rawPath(path string, o *disk.Opened, _ string) (string, error) {
	if f := o.File(); f != nil {
		return fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), f.Fd()), nil
	}
	return path, nil
}
