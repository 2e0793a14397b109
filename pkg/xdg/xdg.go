// This Source Code Form is subject to the terms of the Mozilla Public
// License, v. 2.0. If a copy of the MPL was not distributed with this
// file, You can obtain one at https://mozilla.org/MPL/2.0/.

// Package xdg finds directories of the user as the XDG base directory
// specification names them. The environment is passed in.
package xdg

import (
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// ConfigHome is XDG_CONFIG_HOME, or what that is by default. A relative path is
// ignored, as the specification has it.
func ConfigHome(env func(string) string) string {
	if d := env("XDG_CONFIG_HOME"); filepath.IsAbs(d) {
		return d
	}
	return filepath.Join(env("HOME"), ".config")
}

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
