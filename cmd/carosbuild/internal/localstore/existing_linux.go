// SPDX-License-Identifier: MPL-2.0

package localstore

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/carosio/carosbuild/cmd/carosbuild/internal/cli"
)

// Existing is a directory or, if it does not exist, its nearest existing parent.
func Existing(dir string) (string, error) {
	for {
		st, err := os.Stat(dir)
		if err == nil && !st.IsDir() {
			err = unix.ENOTDIR
		}
		if err == nil {
			return dir, nil
		}
		if !errors.Is(err, fs.ErrNotExist) || dir == filepath.Dir(dir) {
			return "", err
		}
		dir = filepath.Dir(dir)
	}
}

// StoreDir is a directory on the store's file system in which this account may write, or
// "".
func StoreDir(a *cli.App) string {
	p, _, err := usual(a)
	if err != nil {
		return ""
	}
	dir, err := Existing(p.GraphRoot)
	if err != nil || unix.Access(dir, unix.W_OK|unix.X_OK) != nil {
		return ""
	}
	return dir
}
