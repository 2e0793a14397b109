// SPDX-License-Identifier: MPL-2.0

package xdg

// RuntimeDir is "": Windows has no such directory.
func RuntimeDir(func(string) string) string { return "" }
