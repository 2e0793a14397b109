// SPDX-License-Identifier: MPL-2.0

package inspect

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/carosio/carosbuild/pkg/disk/damage"
	"github.com/carosio/carosbuild/pkg/disk/kind"
	"github.com/carosio/carosbuild/pkg/disk/tree"
)

// systemFiles are files of which a root file system has at least one.
var systemFiles = []string{"etc/os-release", "usr/lib/os-release", "sbin/init", "usr/lib/systemd/systemd", "bin/sh"}

// ChoiceError is the error of System if several partitions match, or none.
type ChoiceError struct {
	text    string
	Example string // a partition that can be named
}

func (e *ChoiceError) Error() string { return e.text }

// choice is a ChoiceError, if there is a partition to choose.
func (d *Disk) choice(format string, args ...any) error {
	text := fmt.Sprintf(format, args...) + "; " + d.list()
	example := ""
	for _, v := range d.volumes {
		if v.fs != nil && (example == "" || v.is().Tree) {
			example = fmt.Sprint(v.Number)
		}
	}
	if example == "" {
		return errors.New(text)
	}
	return &ChoiceError{text, example}
}

// maxNamed bounds how many problems and partitions an error names.
const maxNamed = 8

// System is the tree of a partition that is named as in Find or, with "", of the
// only file system that can be the root of an operating system: one of kind.Roots.
// For a disk that is a bare file system, it is the tree of that. The directory
// lost+found is left out if it is empty. The file system is checked first: the
// error says where it is damaged, or what of it is not read. Contents of files are
// left for the caller to read.
func (d *Disk) System(ctx context.Context, partition string) (*tree.Tree, error) {
	v, err := d.systemVolume(partition)
	if err != nil {
		return nil, err
	}
	if v.fs == nil {
		return nil, d.unreadable(v)
	}
	for _, check := range []func(context.Context) []damage.Problem{d.checkFormat, d.checkTable, v.fs.Check} {
		problems := check(ctx)
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if len(problems) > 0 {
			return nil, problemError(problems)
		}
	}
	t := v.files()
	if v.treeErr != nil {
		return nil, v.treeErr
	}
	if v.is().LostFound {
		t = withoutLostFound(t)
	}
	return t, nil
}

func problemError(problems []damage.Problem) error {
	what := "it is damaged"
	if damage.VerdictOf(problems) == damage.Unread {
		what = "it is not wholly read"
	}
	var texts []string
	for i, p := range problems {
		if i == maxNamed {
			texts = append(texts, fmt.Sprintf("and %d more", len(problems)-i))
			break
		}
		texts = append(texts, p.String())
	}
	return fmt.Errorf("%s: %s", what, strings.Join(texts, "; "))
}

func (d *Disk) systemVolume(partition string) (*volume, error) {
	if partition != "" {
		v, err := d.volume(partition)
		if err != nil {
			return nil, d.choice("%v", err)
		}
		return v, nil
	}
	if d.table.Kind == "" && len(d.volumes) == 1 {
		return d.volumes[0], nil
	}
	var found []*volume
	for _, v := range d.volumes {
		if v.system() {
			found = append(found, v)
		}
	}
	switch len(found) {
	case 0:
		return nil, d.choice("it has no partition with %s that looks like the root of a system (/etc, and one of /%s)", kind.Choice(kind.Roots()), strings.Join(systemFiles, ", /"))
	case 1:
		return found[0], nil
	}
	return nil, d.choice("it has several partitions that look like the root of a system")
}

// system reports whether a volume looks like the root of an operating system: a
// separate /usr has a shell, too, but no /etc.
func (v *volume) system() bool {
	if v.fs == nil || !v.is().Tree {
		return false
	}
	t := v.files()
	if e, err := t.Lookup("etc"); err != nil || e.Type() != tree.Dir {
		return false
	}
	for _, name := range systemFiles {
		if _, err := t.Lookup(name); err == nil || dangling(t, name) != nil {
			return true
		}
	}
	return false
}

// list names the partitions in an error. Names may contain anything: they come from the
// disk.
func (d *Disk) list() string {
	if len(d.volumes) == 0 {
		return "it has no partitions"
	}
	var out []string
	for i, v := range d.volumes {
		if i == maxNamed {
			out = append(out, fmt.Sprintf("and %d more", len(d.volumes)-i))
			break
		}
		s := fmt.Sprint(v.Number)
		if v.Name != "" {
			s += fmt.Sprintf(" %q", v.Name)
		}
		kind := v.kind
		if kind == "" {
			kind = "unknown content"
		}
		s += " (" + kind
		if v.fs != nil && v.fs.Label() != "" {
			s += fmt.Sprintf(", label %q", v.fs.Label())
		}
		out = append(out, s+")")
	}
	return "its partitions are " + strings.Join(out, ", ")
}

func (d *Disk) unreadable(v *volume) error {
	if v.err != nil {
		return v.err
	}
	what := fmt.Sprintf("holds %s, of which no files are read", v.kind)
	if v.kind == "" {
		what = "has no known file system"
	}
	if v.Number == 0 {
		return fmt.Errorf("it %s", what)
	}
	return fmt.Errorf("partition %d %s; %s", v.Number, what, d.list())
}

// withoutLostFound leaves out the directory that mke2fs makes and e2fsck fills.
func withoutLostFound(t *tree.Tree) *tree.Tree {
	const name = "lost+found"
	if e, err := t.Lookup(name); err != nil || e.Path != name || e.Type() != tree.Dir || len(t.Names(name)) > 0 {
		return t
	}
	return t.Drop(map[string]bool{name: true})
}
