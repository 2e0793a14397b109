// SPDX-License-Identifier: MPL-2.0

package creds

import (
	"encoding/binary"
	"syscall"
)

// Cap is the number of a capability, linux/capability.h.
type Cap uint

// The capabilities that the supervisor asks for.
const (
	Chown   Cap = 0
	Fowner  Cap = 3
	Fsetid  Cap = 4
	Setgid  Cap = 6
	Setuid  Cap = 7
	Setpcap Cap = 8
	Chroot  Cap = 18
	Admin   Cap = 21
	Setfcap Cap = 31
)

// Caps is a set of capabilities, a bit each.
type Caps uint64

// Has reports whether a capability is in the set.
func (c Caps) Has(n Cap) bool { return c&(1<<n) != 0 }

// fsCaps are CAP_FS_SET: the capabilities that setfsuid removes and restores.
const fsCaps Caps = 1<<0 | 1<<1 | 1<<2 | 1<<3 | 1<<4 | 1<<9 | 1<<27 | 1<<32

// Default are Docker's default capabilities of a container.
const Default Caps = 1<<0 | 1<<1 | 1<<3 | 1<<4 | 1<<5 | 1<<6 | 1<<7 | 1<<8 | 1<<10 | 1<<13 | 1<<18 | 1<<27 | 1<<29 | 1<<31

// Capset is capset(2) of a process for itself.
func (c Creds) Capset(effective, permitted, inheritable Caps) (Creds, syscall.Errno) {
	switch {
	case inheritable&^(c.Inheritable|c.Permitted) != 0 && !c.Can(Setpcap),
		inheritable&^(c.Inheritable|c.Bounding) != 0,
		permitted&^c.Permitted != 0,
		effective&^permitted != 0:
		return c, syscall.EPERM
	}
	c.Effective, c.Permitted, c.Inheritable = effective, permitted, inheritable
	return c, 0
}

// Program is what matters to execve(2) in a program's file.
type Program struct {
	UID, GID       uint32
	Setuid, Setgid bool
	Caps           *FileCaps // nil: none
}

// FileCaps are the capabilities in a file's security.capability.
type FileCaps struct {
	Permitted, Inheritable Caps
	Effective              bool
}

// Exec returns the credentials of the program that a process executes.
func (c Creds) Exec(p Program) Creds {
	if p.Setuid {
		c.User.Effective = p.UID
	}
	if p.Setgid {
		c.Group.Effective = p.GID
	}
	var granted Caps
	effective := false
	if p.Caps != nil {
		granted = p.Caps.Permitted&c.Bounding | p.Caps.Inheritable&c.Inheritable
		effective = p.Caps.Effective
	}
	// A file's own capabilities count if a setuid file makes another user root.
	if byFile := p.Caps != nil && c.User.Effective == 0 && c.User.Real != 0; !byFile {
		if c.User.Effective == 0 || c.User.Real == 0 {
			granted = c.Bounding | c.Inheritable
		}
		effective = effective || c.User.Effective == 0
	}
	c.Permitted, c.Effective = granted, 0
	if effective {
		c.Effective = granted
	}
	c.User.Saved, c.User.FS = c.User.Effective, c.User.Effective
	c.Group.Saved, c.Group.FS = c.Group.Effective, c.Group.Effective
	c.KeepCaps = false
	return c
}

// ParseFileCaps reads security.capability, struct vfs_cap_data or vfs_ns_cap_data of
// linux/capability.h; nil if it is neither.
func ParseFileCaps(v []byte) *FileCaps {
	if len(v) != 20 && len(v) != 24 {
		return nil
	}
	le := binary.LittleEndian
	magic := le.Uint32(v)
	if rev := magic >> 24; rev != 2 && rev != 3 {
		return nil
	}
	return &FileCaps{
		Permitted:   Caps(le.Uint32(v[4:])) | Caps(le.Uint32(v[12:]))<<32,
		Inheritable: Caps(le.Uint32(v[8:])) | Caps(le.Uint32(v[16:]))<<32,
		Effective:   magic&1 != 0,
	}
}
