// SPDX-License-Identifier: MPL-2.0

package supervisor

import (
	"io/fs"
	"path/filepath"

	"github.com/carosio/carosbuild/pkg/owner/record"
)

// fewRecords is how many records may stay, whether their files exist or not.
const fewRecords = 1024

// forgetGone removes the records of files that the step has made and removed again, once it has
// no process any more.
func forgetGone(table *record.Table) error {
	if table.Mine() < fewRecords {
		return nil
	}
	there := map[record.Inode]bool{}
	err := filepath.WalkDir("/", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		switch name {
		case "/proc", "/sys", "/dev":
			return fs.SkipDir
		}
		if !d.IsDir() {
			n, err := record.InodeAt(name)
			if err != nil {
				return err
			}
			there[n] = true
		}
		return nil
	})
	if err != nil {
		return nil // only disk space is at stake
	}
	return table.Forget(there)
}
