// SPDX-License-Identifier: MPL-2.0

//go:build !linux

package cow

import "os"

func zero(f *os.File, off, n int64) error { return writeZeros(f, off, n) }
