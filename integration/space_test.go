// This Source Code Form is subject to the terms of the Mozilla Public
// License, v. 2.0. If a copy of the MPL was not distributed with this
// file, You can obtain one at https://mozilla.org/MPL/2.0/.

//go:build integration

package integration

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A build that cannot fit ends before its first step: on a file system that is
// too small the bootstrap's packages are not even fetched.
func TestNoRoom(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only the superuser mounts a small file system for a builder")
	}
	w := newWorld(t)
	w.file(t, "a.xml", `<redo><buildstage id="s"><bootstrap suite="bookworm"/></buildstage>
		<disk id="d" stage="s" size="4G"><partition fs="ext4" size="rest" path="/"/></disk></redo>`)
	small := filepath.Join(w.dir, "small")
	if err := os.Mkdir(small, 0o700); err != nil {
		t.Fatal(err)
	}
	w.setenv("XDG_CACHE_HOME=" + small)
	// The file system is there in a mount namespace of the command's only.
	r := w.run(t, "unshare", "--mount", "sh", "-c", `mount -t tmpfs -o size=150m small "$0" && exec "$@"`, small,
		program(t), "--progress=plain", "a.xml", "--out", filepath.Join(small, "d.raw"))
	if r.status != 4 || !strings.Contains(r.stderr, "for packages") || !strings.Contains(r.stderr, "for "+small+"/d.raw") || strings.Contains(r.stderr, "1/1") {
		t.Errorf("status %d:\n%s", r.status, r.stderr)
	}
}
