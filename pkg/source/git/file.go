// SPDX-License-Identifier: MPL-2.0

package git

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"strconv"
)

// File is the content of a file of a commit, by its slash-separated path, if it is
// not larger than so many bytes; for a link, its target. The commit must be in the
// mirror (Ensure).
func (c *Cache) File(ctx context.Context, p Pinned, name string, most int64) ([]byte, error) {
	if !isID(p.Commit) {
		return nil, fmt.Errorf("%q is not a commit id", p.Commit)
	}
	if !fs.ValidPath(name) || name == "." {
		return nil, &fs.PathError{Op: "read", Path: name, Err: fs.ErrInvalid}
	}
	object := p.Commit + ":" + name
	out, err := c.local(ctx, p.URL, []string{p.Commit}, "cat-file", "-s", object)
	if err != nil {
		return nil, fmt.Errorf("read %s of %s at %s: %w", printable(name), redact(p.URL), p.Commit, err)
	}
	if n, err := strconv.ParseInt(string(bytes.TrimSpace(out)), 10, 64); err != nil || n > most {
		return nil, fmt.Errorf("%s of %s at %s has more than %d bytes", printable(name), redact(p.URL), p.Commit, most)
	}
	return c.local(ctx, p.URL, []string{p.Commit}, "cat-file", "blob", object)
}
