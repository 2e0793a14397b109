// SPDX-License-Identifier: MPL-2.0

//go:build unix

package xdg

import (
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// RuntimeDir is XDG_RUNTIME_DIR, or "" where that names no directory of the
// caller's own: su and CI jobs often leave somebody else's, or one that is gone.
func RuntimeDir(env func(string) string) string {
	dir := env("XDG_RUNTIME_DIR")
	var st unix.Stat_t
	if !filepath.IsAbs(dir) || unix.Stat(dir, &st) != nil || st.Mode&unix.S_IFMT != unix.S_IFDIR {
		return ""
	}
	if int(st.Uid) != os.Geteuid() || unix.Access(dir, unix.W_OK|unix.X_OK) != nil {
		return ""
	}
	return dir
}
