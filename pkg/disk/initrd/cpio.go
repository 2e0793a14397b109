// SPDX-License-Identifier: MPL-2.0

package initrd

import (
	"bytes"
	"fmt"

	"github.com/carosio/carosbuild/pkg/disk/tree"
)

// cpio is an archive in the "newc" format that the kernel unpacks
// (Documentation/driver-api/early-userspace/buffer-format.rst).
type cpio struct {
	b   bytes.Buffer
	ino int
}

// entry belongs to root and has the time 0.
type entry struct {
	name string // without a leading slash
	mode uint32
	rdev tree.Device
	data []byte // contents, or target of a symbolic link
}

const (
	cpioMagic   = "070701"
	cpioTrailer = "TRAILER!!!"
)

func (c *cpio) add(e entry) {
	c.ino++
	c.record(c.ino, e)
}

func (c *cpio) record(ino int, e entry) {
	c.b.WriteString(cpioMagic)
	fields := []uint32{
		uint32(ino), e.mode, 0, 0, // uid, gid
		1, 0, // links, time
		uint32(len(e.data)), 0, 0, // device that contains it
		e.rdev.Major, e.rdev.Minor, uint32(len(e.name) + 1), 0, // no checksum
	}
	for _, f := range fields {
		fmt.Fprintf(&c.b, "%08X", f)
	}
	c.b.WriteString(e.name)
	c.b.WriteByte(0)
	c.pad()
	c.b.Write(e.data)
	c.pad()
}

// pad pads to a multiple of four.
func (c *cpio) pad() {
	for c.b.Len()%4 != 0 {
		c.b.WriteByte(0)
	}
}

func (c *cpio) finish() []byte {
	c.record(0, entry{name: cpioTrailer})
	return c.b.Bytes()
}
