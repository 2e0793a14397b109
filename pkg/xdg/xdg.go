// SPDX-License-Identifier: MPL-2.0

// Package xdg finds directories of the user as the XDG base directory
// specification names them. The environment is passed in.
package xdg

import "path/filepath"

// ConfigHome is XDG_CONFIG_HOME, or what that is by default. A relative path is
// ignored, as the specification has it.
func ConfigHome(env func(string) string) string {
	if d := env("XDG_CONFIG_HOME"); filepath.IsAbs(d) {
		return d
	}
	return filepath.Join(env("HOME"), ".config")
}
