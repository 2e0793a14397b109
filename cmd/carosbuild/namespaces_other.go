// SPDX-License-Identifier: MPL-2.0

//go:build !linux

package main

import "os"

// arrive has nothing to complete: there are no namespaces.
func arrive() (umask int, err error) { return 0, nil }

// runsItself is false: no library starts this program again.
func runsItself() bool { return false }

// private makes a directory of the caller's own.
func private(dir string) error { return os.MkdirAll(dir, 0o700) }
