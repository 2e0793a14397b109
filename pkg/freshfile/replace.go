// SPDX-License-Identifier: MPL-2.0

package freshfile

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// Replace gives a file its content as a whole: who reads it sees the old
// one or the new one, after a power cut too. Of several writers the last wins.
func Replace(path string, data []byte, mode os.FileMode) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".new-")
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err = errors.Join(err, f.Chmod(mode), f.Sync(), f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		if e := os.Remove(f.Name()); !errors.Is(e, fs.ErrNotExist) {
			err = errors.Join(err, e)
		}
	}
	return err
}
