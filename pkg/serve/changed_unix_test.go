// SPDX-License-Identifier: MPL-2.0

//go:build unix

package serve

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestChanged changes what is offered: nothing else takes its place.
func TestChanged(t *testing.T) {
	w := newWorld(t)
	vmdk := filepath.Join(w.disks, "caros.vmdk")
	put(t, vmdk, "the kids") // as long as before
	image := filepath.Join(w.stage, "REDO/build/tmp/deploy/images/vm/core-image.ova")
	if err := os.Rename(image, image+".moved"); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("/etc/passwd", image); err != nil {
		t.Fatal(err)
	}
	pipe := filepath.Join(w.logs, "base.log")
	if err := os.Remove(pipe); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"/disks/caros.vmdk", "/core-image.ova"} {
		if got := w.get(t, path); got.status != 410 {
			t.Errorf("%s: %d %q", path, got.status, got.body)
		}
	}
	if got := w.get(t, "/logs/base.log"); got.status != 500 {
		t.Errorf("a pipe for a log: %d %q", got.status, got.body)
	}
	page := w.get(t, "/").body
	if !strings.Contains(page, `caros.vmdk <span class="why">changed since`) || strings.Contains(page, `href="./disks/caros.vmdk"`) {
		t.Error("the page does not say that the disk has changed, or links to it")
	}
	if err := os.Remove(vmdk); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("/etc/passwd", vmdk); err != nil {
		t.Fatal(err)
	}
	if got := w.get(t, "/disks/caros.vmdk"); got.status == 200 {
		t.Errorf("a link for a disk: %q", got.body)
	}
	if got := w.get(t, "/SHA256SUMS"); strings.Contains(got.body, "disks/caros.vmdk") || !strings.Contains(got.body, "page.html.wic") {
		t.Errorf("digests: %q", got.body)
	}
}
