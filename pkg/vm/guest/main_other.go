// SPDX-License-Identifier: MPL-2.0

//go:build !linux

package guest

// Main returns at once: a guest has Linux.
func Main([]string) {}
