// SPDX-License-Identifier: MPL-2.0

package compose

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/carosio/carosbuild/pkg/decl"
	"github.com/carosio/carosbuild/pkg/disk"
	"github.com/carosio/carosbuild/pkg/disk/tree"
	"github.com/carosio/carosbuild/pkg/progress"
	"github.com/carosio/carosbuild/pkg/words"
)

// note tells the user something, once for each disk.
func (c *composer) note(format string, a ...any) {
	text := "disk " + c.disk.ID + ": " + fmt.Sprintf(format, a...)
	if !c.noted[text] {
		c.noted[text] = true
		c.event(progress.Event{Kind: progress.Note, Text: text})
	}
}

// fitting leaves out the extended attributes that a partition's file system cannot
// store, and says so.
func (c *composer) fitting(p *decl.Partition, t *tree.Tree) *tree.Tree {
	t, lost := t.WithoutXattrs(disk.FileSystemOf(p.FS).Xattr)
	for _, name := range slices.Sorted(maps.Keys(lost)) {
		files := lost[name]
		what := strconv.Quote(name) // names may come from an untrusted source
		if strings.HasPrefix(name, "system.posix_acl_") {
			what = "access control lists (" + name + ")"
		}
		c.note("partition %s: %s cannot hold %s; left out of %s, such as %q", cmp.Or(p.Name, "without a name"), p.FS, what, words.Count(len(files), "file"), "/"+files[0])
	}
	return t
}
