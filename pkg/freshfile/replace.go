// SPDX-License-Identifier: MPL-2.0

package freshfile

import (
	"errors"
	"os"
	"path/filepath"
)

// Replace gives a file its content as a whole: who reads it sees the old
// one or the new one, after a power cut too. Of several writers the last wins.
func Replace(path string, data []byte, mode os.FileMode) error {
	f, err := Create(filepath.Dir(path), ".new-")
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	return settle(f, path, errors.Join(err, f.Chmod(mode), f.Sync()))
}
