// SPDX-License-Identifier: MPL-2.0

//go:build !linux

package tree

import (
	"context"
	"errors"
	"os"
)

// errLinux is the reason why there is no Source: other systems do not have
// everything that a Tree needs, such as Linux's capabilities and devices.
var errLinux = errors.New("reading a directory as a root file system needs Linux")

// Source is an open directory from which Trees are read, on Linux.
type Source struct{}

// OpenDir opens a directory to read Trees from. It needs Linux.
func OpenDir(name string) (*Source, error) {
	return nil, &os.PathError{Op: "open", Path: name, Err: errLinux}
}

// Close releases the directory.
func (*Source) Close() error { return nil }

// Read walks the directory and returns it as a Tree. It needs Linux.
func (*Source) Read(context.Context, int64, int) (*Tree, error) { return nil, errLinux }
