// This Source Code Form is subject to the terms of the Mozilla Public
// License, v. 2.0. If a copy of the MPL was not distributed with this
// file, You can obtain one at https://mozilla.org/MPL/2.0/.

package build

import (
	"os"

	"github.com/carosio/carosbuild/pkg/disk"
)

// spool makes a file for data on its way. It has no name, and is gone when the
// disk is written.
func (c *composer) spool() (disk.Spool, error) { return c.scratch() }

func (c *composer) scratch() (*os.File, error) {
	f, err := os.CreateTemp(c.engine.CacheDir, "spool-")
	if err != nil {
		return nil, err
	}
	c.trees.undo = append(c.trees.undo, f.Close)
	return f, os.Remove(f.Name())
}
