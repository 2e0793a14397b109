// SPDX-License-Identifier: MPL-2.0

package git

import (
	"context"
	"strings"
)

// WorkTree lists the files below a directory of a work tree: tracked files, also in
// submodules, and files that are neither tracked nor ignored. A directory without
// tracked files is listed as one name with a slash at its end. Names are
// slash-separated and relative to the directory.
func (c *Cache) WorkTree(ctx context.Context, dir string) (tracked, others []string, err error) {
	list := func(args ...string) ([]string, error) {
		out, err := c.git(ctx, command{args: append([]string{"ls-files", "-z"}, args...), dir: dir, config: [][2]string{{"safe.directory", "*"}}})
		return strings.FieldsFunc(string(out), func(r rune) bool { return r == 0 }), err
	}
	if tracked, err = list("--cached", "--recurse-submodules"); err != nil {
		return nil, nil, err
	}
	others, err = list("--others", "--exclude-standard", "--directory", "--no-empty-directory")
	return tracked, others, err
}
