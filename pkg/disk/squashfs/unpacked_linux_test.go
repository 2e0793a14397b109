// SPDX-License-Identifier: MPL-2.0

package squashfs

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/carosio/carosbuild/pkg/disk/disktest"
)

// unpacked reads a tree that unsquashfs has unpacked.
func unpacked(t testing.TB, image string) map[string]disktest.View {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "out")
	args := []string{"-n", "-d", dir, image}
	if os.Geteuid() != 0 {
		args = append([]string{"-no-xattrs", "-ignore-errors"}, args...)
	}
	tool(t, "unsquashfs", args...)
	views := disktest.Unpacked(t, dir)
	for p, v := range views {
		v.Nsec = 0
		views[p] = v
	}
	return views
}
