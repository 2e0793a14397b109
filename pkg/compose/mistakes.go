// SPDX-License-Identifier: MPL-2.0

package compose

import (
	"context"
	"errors"
	"fmt"
	"path"
	"strings"

	"github.com/carosio/carosbuild/pkg/decl"
	"github.com/carosio/carosbuild/pkg/decl/finding"
	"github.com/carosio/carosbuild/pkg/disk"
	"github.com/carosio/carosbuild/pkg/disk/fat"
)

// mistake is an error at a place of the declaration.
func mistake(at finding.Span, err error) error {
	f := finding.Finding{Span: at, Summary: err.Error()}
	var hinted interface{ Hint() string }
	if errors.As(err, &hinted) {
		f.Hint = hinted.Hint()
	}
	return &finding.ListError{Findings: finding.Findings{f}}
}

// uncomposed explains why a disk cannot be composed: at the attribute that would
// have to change, or as a failure of the disk if changing an attribute would not
// help.
func (c *composer) uncomposed(err error) error {
	var content *disk.ContentError
	var size *disk.SizeError
	var part *disk.PartitionError
	switch {
	case errors.As(err, &content):
		err = fmt.Errorf("disk %s: %w", c.disk.ID, err)
		if at, ok := c.named(content); ok {
			return locate(at, err)
		}
		return err
	case errors.As(err, &size):
		at := c.disk.Places.At("size", c.disk.Span)
		if !size.OfDisk && size.Partition >= 0 {
			p := c.disk.Partitions[size.Partition]
			at = p.Places.At("size", p.Span)
		}
		return &finding.ListError{Findings: finding.Findings{{Span: at, Summary: fmt.Sprintf("disk %s: %v", c.disk.ID, err), Hint: fmt.Sprintf("size=%q would do", size.Enough())}}}
	case errors.As(err, &part) && part.Partition >= 0:
		p := c.disk.Partitions[part.Partition]
		return locate(p.Places.At(part.Attr, p.Span), fmt.Errorf("disk %s: %w", c.disk.ID, err))
	}
	return locate(c.disk.Span, fmt.Errorf("disk %s: %w", c.disk.ID, err))
}

// named is the place where the declaration gives a file a name that its file system
// cannot store.
func (c *composer) named(e *disk.ContentError) (finding.Span, bool) {
	var name *fat.PathError
	if !errors.As(e, &name) || !errors.Is(e, fat.ErrName) || e.Partition < 0 {
		return finding.Span{}, false
	}
	for _, it := range c.disk.Partitions[e.Partition].Items {
		to := path.Clean("/" + target(it))
		if at := path.Clean("/" + name.Path); at == to || strings.HasPrefix(to, at+"/") {
			return it.At("to"), true
		}
	}
	return finding.Span{}, false
}

// target is the path on the file system that an element writes, or "" for a loader,
// which has several.
func target(it decl.Item) string {
	switch it := it.(type) {
	case *decl.CopyItem:
		return it.To
	case *decl.FileItem:
		return it.To
	case *decl.InitrdItem:
		return it.To
	case *decl.ExtlinuxItem:
		return it.To
	case *decl.BootscriptItem:
		return it.To
	case *decl.UKIItem:
		return it.To
	}
	return ""
}

// locate turns an error into a finding, unless the error is not about the
// declaration.
func locate(at finding.Span, err error) error {
	var d *finding.ListError
	if errors.As(err, &d) || errors.Is(err, context.Canceled) {
		return err
	}
	return mistake(at, err)
}
