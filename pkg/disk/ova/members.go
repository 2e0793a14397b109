// SPDX-License-Identifier: MPL-2.0

package ova

import (
	"archive/tar"
	"errors"
	"io"
	"path"
	"strings"
)

// readMembers lists the archive.
func (c *checker) readMembers() {
	section := io.NewSectionReader(c.r, 0, c.size)
	t := tar.NewReader(section)
	for {
		h, err := t.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			c.report("", "it is not a tar archive, or is damaged: %v", err)
			return
		}
		off, err := section.Seek(0, io.SeekCurrent)
		if err != nil || h.Size > c.size-off {
			c.report(h.Name, "the archive ends within it")
			return
		}
		if len(c.members) == maxMembers {
			c.report("", "it has more than %d members", maxMembers)
			break
		}
		if c.checkHeader(h) {
			c.members = append(c.members, member{name: h.Name, off: off, size: h.Size})
		}
	}
	c.checkOrder()
}

func (c *checker) checkHeader(h *tar.Header) bool {
	switch {
	case h.Typeflag != tar.TypeReg:
		c.report(h.Name, "it is not a regular file, but of tar's type %q", h.Typeflag)
	case h.Format != tar.FormatUSTAR && h.Format != tar.FormatGNU:
		c.report(h.Name, "its tar header is of the form %s: VMware reads ustar, and GNU for more than 8 GiB", h.Format)
	case h.Name == "" || strings.ContainsAny(h.Name, "/\\"):
		c.report(h.Name, "its name contains a directory")
	case c.member(h.Name) != nil:
		c.report(h.Name, "it is in the archive twice")
	default:
		return true
	}
	return false
}

// checkOrder checks the order that DSP0243 requires: the descriptor, then, if not at
// the end, manifest and certificate.
func (c *checker) checkOrder() {
	if len(c.members) == 0 {
		c.report("", "the archive has no descriptor")
		return
	}
	if first := c.members[0].name; path.Ext(first) != descriptorEnding {
		c.report(first, "the first member is not the descriptor")
	}
	last := c.members[len(c.members)-1]
	zeros := make([]byte, endBlocks)
	if n, _ := c.r.ReadAt(zeros, last.off+roundUp(last.size, block)); n < endBlocks || strings.Trim(string(zeros), "\x00") != "" {
		c.report("", "two blocks of zeros at its end are missing")
	}
	name := strings.TrimSuffix(c.members[0].name, descriptorEnding)
	for i := range c.members {
		if m := &c.members[i]; m.metadata() && strings.TrimSuffix(m.name, path.Ext(m.name)) != name {
			c.report(m.name, "its name does not match the descriptor's")
		}
	}
}
