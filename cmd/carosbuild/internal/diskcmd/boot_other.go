// SPDX-License-Identifier: MPL-2.0

//go:build !linux

package diskcmd

import (
	"errors"
	"io"
	"os"
	"path/filepath"

	"github.com/carosio/carosbuild/pkg/disk"
)

// rawPath is the path at which QEMU finds an open raw disk. A decompressed disk has
// no name by which another program could open it, so it is copied into dir.
func rawPath(path string, o *disk.Opened, dir string) (_ string, err error) {
	if o.Format == disk.Raw || o.File() == nil {
		return path, nil
	}
	to, err := os.Create(filepath.Join(dir, "disk.raw"))
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, to.Close()) }()
	_, err = disk.CopySparse(to, io.NewSectionReader(o.File(), 0, o.Size()), o.Size())
	return to.Name(), err
}
