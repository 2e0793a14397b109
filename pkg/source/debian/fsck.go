// SPDX-License-Identifier: MPL-2.0

package debian

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/carosio/carosbuild/pkg/fsck"
	"github.com/carosio/carosbuild/pkg/source/debian/field"
)

// Fsck checks the packages and lists of the cache against the hashes in their names.
// Release files are not checked: their signature is verified whenever one is used.
func (f *Fetcher) Fsck(ctx context.Context, c *fsck.Check) error {
	for _, in := range []struct{ kind, dir, ending string }{{"package", f.DebsDir(), ".deb"}, {"list of packages", f.indicesDir(), ""}} {
		err := fsck.Files(in.dir, func(path string) error {
			name := filepath.Base(path)
			if in.ending == "" && strings.Contains(name, ".") || in.ending != "" && !strings.HasSuffix(name, in.ending) { // being downloaded
				return nil
			}
			if err := ctx.Err(); err != nil {
				return err
			}
			want := strings.TrimSuffix(name, in.ending)
			got, err := hashFile(path, want)
			if err != nil {
				return err
			}
			c.Checked(in.kind)
			if got == want {
				return nil
			}
			d := fsck.Damage{Kind: in.kind, Path: path, What: "has the hash " + got, Then: "removed; fetched again when it is needed"}
			return c.Damaged(d, func() error { return os.Remove(path) })
		})
		if err != nil {
			return fmt.Errorf("check the cache of packages: %w", err)
		}
	}
	return nil
}

// hashFile is the hash of a file, by the same algorithm as want.
func hashFile(path, want string) (string, error) {
	file, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer file.Close()
	h := field.NewHash(want)
	_, err = io.Copy(h, file)
	return field.HexSum(h), err
}
