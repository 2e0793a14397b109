// SPDX-License-Identifier: MPL-2.0

package declfile

import (
	"github.com/carosio/carosbuild/pkg/resolve"
)

// LockPath is the path of the lock file: beside the first file.
func LockPath(declFiles []string) string {
	first := declFiles[0]
	if files := KasFiles(first); files != nil {
		first = files[0]
	}
	return resolve.LockPath(first)
}
