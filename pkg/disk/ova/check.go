// SPDX-License-Identifier: MPL-2.0

package ova

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path"

	"github.com/carosio/carosbuild/pkg/ctxio"
	"github.com/carosio/carosbuild/pkg/disk/vmdk"
)

// Problem is something in an archive that VMware's products refuse, or that
// indicates damage.
type Problem struct {
	File string // name of the member, "" for the archive
	Text string
}

// String returns the problem on one line.
func (p Problem) String() string {
	if p.File == "" {
		return p.Text
	}
	return p.File + ": " + p.Text
}

// Bounds for hostile archives.
const (
	maxMembers  = 100
	maxProblems = 100
	maxMetadata = 1 << 20 // size of descriptor and manifest
)

// Check reads all of an archive of size bytes and returns its problems: order and
// form of the members, digests of the manifest, references between descriptor,
// files and disks, and every grain of the disks. The error is one of reading, or of
// ctx.
func Check(ctx context.Context, r io.ReaderAt, size int64) ([]Problem, error) {
	c := &checker{r: &faults{ReaderAt: r}, size: size}
	c.readMembers()
	if len(c.members) > 0 {
		e := c.readDescriptor()
		c.readManifest()
		if e != nil {
			c.checkReferences(e)
			c.checkSystems(e)
		}
		for i := range c.members {
			if err := c.checkContent(ctx, &c.members[i]); err != nil {
				return nil, err
			}
		}
	}
	if c.r.err != nil {
		return nil, fmt.Errorf("read archive: %w", c.r.err)
	}
	return c.problems, nil
}

// faults remembers an error of reading, to distinguish it from one about the
// content.
type faults struct {
	io.ReaderAt
	err error
}

func (f *faults) ReadAt(p []byte, off int64) (int, error) {
	n, err := f.ReaderAt.ReadAt(p, off)
	if err != nil && !errors.Is(err, io.EOF) {
		f.err = err
	}
	return n, err
}

// member is a file of the archive with the claims about it.
type member struct {
	name      string
	off, size int64
	algorithm string // algorithm of sum; "" if there is none
	sum       []byte
	disk      *ovfDisk // the disk that it contains
}

type checker struct {
	r        *faults
	size     int64
	members  []member
	problems []Problem
}

func (c *checker) report(file, format string, args ...any) {
	if len(c.problems) < maxProblems {
		c.problems = append(c.problems, Problem{file, fmt.Sprintf(format, args...)})
	}
}

func (c *checker) member(name string) *member {
	for i := range c.members {
		if c.members[i].name == name {
			return &c.members[i]
		}
	}
	return nil
}

func (m *member) metadata() bool {
	e := path.Ext(m.name)
	return e == manifestEnding || e == certificateEnding
}

// metadata is the content of a small member.
func (c *checker) metadata(m *member) []byte {
	if m.size > maxMetadata {
		c.report(m.name, "it is too large, with %d bytes", m.size)
		return nil
	}
	b := make([]byte, m.size)
	if _, err := c.r.ReadAt(b, m.off); err != nil && !errors.Is(err, io.EOF) {
		return nil
	}
	return b
}

func (c *checker) readDescriptor() *ovfEnvelope {
	m := &c.members[0]
	if path.Ext(m.name) != descriptorEnding {
		return nil
	}
	b := c.metadata(m)
	if b == nil {
		return nil
	}
	e, err := parseDescriptor(b)
	if err != nil {
		c.report(m.name, "it is not an OVF descriptor: %v", err)
		return nil
	}
	return e
}

// checkContent reads a member once, for its digest and, if it is a disk, to check
// its structure.
func (c *checker) checkContent(ctx context.Context, m *member) error {
	h := newHash(m.algorithm)
	r := io.TeeReader(ctxio.Reader(ctx, io.NewSectionReader(c.r, m.off, m.size)), h)
	if m.disk != nil {
		if err := c.checkDisk(ctx, m, r); err != nil {
			return err
		}
	} else if m.sum == nil {
		return nil
	}
	if _, err := io.Copy(io.Discard, r); err != nil {
		return err
	}
	if m.sum != nil && string(m.sum) != string(h.Sum(nil)) {
		c.report(m.name, "its content does not have the sum of the manifest")
	}
	return nil
}

func (c *checker) checkDisk(ctx context.Context, m *member, r io.Reader) error {
	if m.disk.Format != diskFormat {
		c.report(c.members[0].name, "disk %s is of the format %q, not a streamOptimized VMDK", m.disk.ID, m.disk.Format)
		return nil
	}
	got, err := vmdk.CheckStream(ctx, r)
	if errors.Is(err, vmdk.ErrFormat) {
		c.report(m.name, "%v", err)
		return nil
	}
	if err != nil {
		return err
	}
	if want, err := m.disk.capacity(); err == nil && want != got {
		c.report(m.name, "it holds a disk of %d bytes, and the descriptor says %d", got, want)
	}
	return nil
}
