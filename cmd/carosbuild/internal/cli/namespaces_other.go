// SPDX-License-Identifier: MPL-2.0

//go:build !linux

package cli

import "os"

// Arrive has nothing to complete: there are no namespaces.
func Arrive() (umask int, err error) { return 0, nil }

// RunsItself is false: no library starts this program again.
func RunsItself() bool { return false }

// private makes a directory of the caller's own.
func private(dir string) error { return os.MkdirAll(dir, 0o700) }
