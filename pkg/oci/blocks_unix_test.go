// SPDX-License-Identifier: MPL-2.0

//go:build unix

package oci

import (
	"testing"

	"golang.org/x/sys/unix"
)

// blocks is the number of bytes of a file that are not holes.
func blocks(t *testing.T, path string) int64 {
	t.Helper()
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		t.Fatal(err)
	}
	return st.Blocks * 512
}
