// SPDX-License-Identifier: MPL-2.0

//go:build unix

package freshdir

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/carosio/carosbuild/pkg/freshfile"
)

// makeTemp makes a directory whose name begins with prefix, and locks it until unlock or
// the end of the process.
func makeTemp(parent, prefix string) (dir string, unlock func(), err error) {
	for {
		if dir, err = os.MkdirTemp(parent, prefix); err != nil {
			return "", nil, err
		}
		f, err := lockDir(dir)
		if err == nil && f != nil {
			return dir, func() { f.Close() }, nil
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return dir, func() {}, nil // a file system without locks: it will not be swept either
		}
		// Somebody took it for left behind, in between.
	}
}

// lockDir locks a directory, nil if somebody else has.
func lockDir(dir string) (*os.File, error) {
	f, err := os.OpenFile(dir, os.O_RDONLY|freshfile.NoFollow, 0)
	if err != nil {
		return nil, err
	}
	held, err := freshfile.TryLock(f, freshfile.LockExclusive)
	if err == nil && held {
		_, err = os.Lstat(dir)
	}
	if err != nil || !held {
		f.Close()
		return nil, err
	}
	return f, nil
}

// sweep removes the directories that killed processes have left. It is a courtesy: what it
// cannot do, it leaves.
func sweep(parent, prefix string) {
	entries, _ := os.ReadDir(parent)
	for _, e := range entries {
		number, ok := strings.CutPrefix(e.Name(), prefix)
		if !ok || number == "" || strings.Trim(number, "0123456789") != "" || !e.IsDir() {
			continue
		}
		dir := filepath.Join(parent, e.Name())
		if f, err := lockDir(dir); err == nil && f != nil {
			_ = os.RemoveAll(dir)
			f.Close()
		}
	}
}
