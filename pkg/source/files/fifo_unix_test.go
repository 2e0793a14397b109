// This Source Code Form is subject to the terms of the Mozilla Public
// License, v. 2.0. If a copy of the MPL was not distributed with this
// file, You can obtain one at https://mozilla.org/MPL/2.0/.

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
