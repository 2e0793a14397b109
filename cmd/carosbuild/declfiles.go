// SPDX-License-Identifier: MPL-2.0

package main

import (
	"github.com/carosio/carosbuild/pkg/resolve"
)

// lockPath is where the lock file is: beside the first file.
func lockPath(declFiles []string) string {
	first := declFiles[0]
	if files := kasFiles(first); files != nil {
		first = files[0]
	}
	return resolve.LockPath(first)
}
