// SPDX-License-Identifier: MPL-2.0

//go:build !linux

package disk

import "os"

// nextData is off: any byte of a file may be data.
func nextData(_ *os.File, off, _ int64) int64 { return off }
