// SPDX-License-Identifier: MPL-2.0

package sealed

import (
	"context"
	"encoding/json"
	"os"

	"github.com/carosio/carosbuild/pkg/fsck"
)

// Fsck checks all values in a directory. A damaged one is removed: it counts as none. What
// ReadSince takes without a digest cannot be checked, and stays.
func Fsck(ctx context.Context, c *fsck.Check, kind, dir, then string) error {
	return fsck.Files(dir, func(path string) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		var v json.RawMessage
		ok, err := ReadSince(path, &v)
		if err != nil {
			return err
		}
		c.Checked(kind)
		if ok {
			return nil
		}
		if _, err := os.Lstat(path); err != nil {
			return err
		}
		return c.Damaged(fsck.Damage{Kind: kind, Path: path, What: "does not have the digest that is in it", Then: then}, func() error { return os.Remove(path) })
	})
}
