// SPDX-License-Identifier: MPL-2.0

//go:build !linux

package guest

// Main returns at once: guests run Linux.
func Main([]string) {}
