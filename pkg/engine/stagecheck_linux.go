// SPDX-License-Identifier: MPL-2.0

package engine

import (
	"context"
	"io/fs"
	"iter"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/carosio/carosbuild/pkg/layer"
	"github.com/carosio/carosbuild/pkg/layer/sums"
	"github.com/carosio/carosbuild/pkg/owner"
)

// stageCheck compares files copied from another stage with their recorded checksums:
// otherwise a damaged file would get into a layer that is recorded as good.
type stageCheck struct {
	sums Sums
	own  owner.Policy      // of the stage's files
	want map[string]wanted // by path in the stage
}

// wanted is a file of a layer.
type wanted struct {
	sum   sums.File
	layer string
	seen  bool
}

// newStageCheck reads what is expected at some paths of a stage, and below them. It
// returns nil if there are no sums.
func newStageCheck(ctx context.Context, s Sums, own owner.Policy, paths []sourcePath) (*stageCheck, error) {
	if s == nil {
		return nil, nil
	}
	all, err := s.Expect(ctx)
	if err != nil {
		return nil, err
	}
	c := &stageCheck{s, own, map[string]wanted{}}
	for {
		f, of, ok, err := all.Next()
		if err != nil || !ok {
			return c, err
		}
		for _, p := range paths {
			if p.inStage == "" || f.Path == p.inStage || strings.HasPrefix(f.Path, p.inStage+"/") {
				c.want[f.Path] = wanted{sum: f, layer: of}
				break
			}
		}
	}
}

// file is called after the file at full was copied. crc is the CRC-32C of its content,
// nil if it was not read.
func (c *stageCheck) file(path, full string, st fs.FileInfo, crc *uint32) error {
	w, ok := c.want[path]
	if !ok {
		return c.sums.FindDamage(path, "was added")
	}
	w.seen = true
	c.want[path] = w
	sys, attrs, err := c.own.Look(stageFile(full))
	if err != nil {
		return err
	}
	link := ""
	if st.Mode()&fs.ModeSymlink != 0 {
		if link, err = os.Readlink(full); err != nil {
			return err
		}
	}
	switch {
	case link != w.sum.Link:
		return c.sums.FindDamage(path, "leads to "+link)
	case sums.Xattrs(ascending(attrs)) != w.sum.Xattrs:
		return c.sums.FindDamage(path, "has other attributes")
	case sys.Mode != w.sum.Mode || sys.Uid != w.sum.UID || sys.Gid != w.sum.GID || st.Mode().IsRegular() && st.Size() != w.sum.Size:
		return c.sums.FindDamage(path, "has changed")
	case crc != nil && st.Size() > 0 && *crc != w.sum.CRC:
		return &layer.DamageError{Layer: w.layer, Path: path, What: "has different content than was stored"}
	}
	return nil
}

// ascending iterates over attributes in the order of their names.
func ascending(attrs map[string][]byte) iter.Seq2[string, []byte] {
	return func(yield func(string, []byte) bool) {
		for _, name := range slices.Sorted(maps.Keys(attrs)) {
			if !yield(name, attrs[name]) {
				return
			}
		}
	}
}

// complete is called when everything was copied.
func (c *stageCheck) complete() error {
	for path, w := range c.want {
		if !w.seen {
			return c.sums.FindDamage(path, "is missing")
		}
	}
	return nil
}
