// SPDX-License-Identifier: MPL-2.0

package main

import (
	"path/filepath"
)

func logsDir(d dirs) string { return filepath.Join(d.state, "logs") }
