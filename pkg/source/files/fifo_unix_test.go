// SPDX-License-Identifier: MPL-2.0

//go:build unix

package files

import (
	"path/filepath"
	"syscall"
	"testing"
)

func TestDigestRefusesFifo(t *testing.T) {
	dir := sourceTree(t)
	if err := syscall.Mkfifo(filepath.Join(dir, "p"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Digest(t.Context(), dir); err == nil {
		t.Error("a fifo was taken")
	}
}
