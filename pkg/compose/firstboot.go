// SPDX-License-Identifier: MPL-2.0

package compose

import (
	"cmp"
	"context"
	"path"
	"slices"
	"strings"

	"github.com/carosio/carosbuild/pkg/decl"
	"github.com/carosio/carosbuild/pkg/disk/tree"
	"github.com/carosio/carosbuild/pkg/lazyregexp"
)

// startPlaces are the directories of units and scripts that a system starts at
// boot.
var startPlaces = []string{
	"/etc/systemd/system", "/usr/lib/systemd/system", "/lib/systemd/system", "/etc/init.d", "/etc/rc.local",
	"/usr/share/initramfs-tools/scripts", "/etc/initramfs-tools/scripts",
}

// execLine finds the programs that a unit starts.
var execLine = lazyregexp.New(`(?m)^Exec[A-Za-z]*=.*$`)

// starts reports whether a unit or script that a system may start at boot, or a
// script that a unit starts, contains one of the words.
func starts(t *tree.Tree, words []string) bool {
	has := func(text string) bool {
		return slices.ContainsFunc(words, func(w string) bool { return strings.Contains(text, w) })
	}
	for _, place := range startPlaces {
		top, err := t.Lookup(place)
		if err != nil {
			continue
		}
		for i := range t.Entries {
			e := &t.Entries[i]
			if e.Path != top.Path && !strings.HasPrefix(e.Path, top.Path+"/") || e.Hardlink != "" || e.Type() != tree.Regular {
				continue
			}
			text := textOf(e)
			if has(text) {
				return true
			}
			for _, word := range strings.Fields(strings.Join(execLine().FindAllString(text, -1), " ")) {
				if has(scriptOf(t, word)) {
					return true
				}
			}
		}
	}
	return false
}

// scriptOf is the text of a script that a word of a command line names.
func scriptOf(t *tree.Tree, word string) string {
	_, name, ok := strings.Cut(word, "/")
	if !ok {
		return ""
	}
	e, err := t.Lookup(name)
	if err != nil || e.Type() != tree.Regular {
		return ""
	}
	text := textOf(e)
	if strings.HasPrefix(text, "\x7fELF") {
		return ""
	}
	return text
}

// grows reports whether a system grows its partitions at boot.
func grows(t *tree.Tree) bool {
	for _, dir := range []string{"/etc/repart.d", "/usr/lib/repart.d", "/usr/local/lib/repart.d"} {
		if paths, err := t.Glob(path.Join(dir, "*.conf")); err == nil && len(paths) > 0 {
			return true
		}
	}
	return starts(t, []string{"growpart", "resize2fs", "sfdisk", "sgdisk", "parted", "cloud-init"})
}

// checkGrow warns of a partition that is meant to grow and will not.
func (c *composer) checkGrow(ctx context.Context, p *decl.Partition) error {
	if !p.Grow {
		return nil
	}
	stages := slices.Compact([]string{c.stage("", p), c.disk.Stage})
	for _, stage := range stages {
		t, err := c.trees.get(ctx, stage)
		if _, ok := decl.DeployKind(p.Path); ok && err == nil {
			t, err = c.base(ctx, p)
		}
		if err != nil {
			return err
		}
		if grows(t) {
			return nil
		}
	}
	c.note("warning: partition %s has grow=\"yes\", but nothing in stage %s grows it: there is no /etc/repart.d/*.conf for systemd-repart, "+
		"and no unit that runs growpart, sfdisk, parted or resize2fs", cmp.Or(p.Name, "without a name"), strings.Join(stages, " or "))
	return nil
}
