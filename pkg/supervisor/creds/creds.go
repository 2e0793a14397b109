// SPDX-License-Identifier: MPL-2.0

package creds

import (
	"slices"
	"strings"
	"syscall"
)

// Unset as an id of setres*id, setre*id or chown leaves that id as it is.
const Unset = ^uint32(0)

// IDs are the real, effective, saved and file system id of users or groups.
type IDs struct{ Real, Effective, Saved, FS uint32 }

// all sets every id.
func all(id uint32) IDs { return IDs{id, id, id, id} }

// has reports whether an id is the real, effective or saved one.
func (i IDs) has(id uint32) bool { return id == i.Real || id == i.Effective || id == i.Saved }

// Creds are a process's credentials. They are values: each method returns new ones.
type Creds struct {
	User, Group IDs
	groups      string // supplementary, four bytes each, sorted
	Permitted   Caps
	Effective   Caps
	Inheritable Caps
	Bounding    Caps
	KeepCaps    bool
}

// New returns the credentials of a step's first program.
func New(uid, gid uint32, groups []uint32, bounding Caps) Creds {
	c := Creds{User: all(uid), Group: all(gid), groups: pack(groups), Bounding: bounding}
	if uid == 0 {
		c.Permitted, c.Effective = bounding, bounding
	}
	return c
}

// pack sorts groups, as the kernel does.
func pack(groups []uint32) string {
	var b strings.Builder
	for _, g := range slices.Sorted(slices.Values(groups)) {
		b.Write([]byte{byte(g), byte(g >> 8), byte(g >> 16), byte(g >> 24)})
	}
	return b.String()
}

// Groups are the supplementary groups.
func (c Creds) Groups() []uint32 {
	out := make([]uint32, 0, len(c.groups)/4)
	for i := 0; i+4 <= len(c.groups); i += 4 {
		out = append(out, uint32(c.groups[i])|uint32(c.groups[i+1])<<8|uint32(c.groups[i+2])<<16|uint32(c.groups[i+3])<<24)
	}
	return out
}

// Can reports whether a capability is effective.
func (c Creds) Can(n Cap) bool { return c.Effective.Has(n) }

// InGroup reports whether the process is in a group, for access to files.
func (c Creds) InGroup(gid uint32) bool {
	return gid == c.Group.FS || slices.Contains(c.Groups(), gid)
}

// Setuid is setuid(2).
func (c Creds) Setuid(uid uint32) (Creds, syscall.Errno) {
	if uid == Unset {
		return c, syscall.EINVAL
	}
	old := c
	switch {
	case c.Can(Setuid):
		c.User.Real, c.User.Saved = uid, uid
	case uid != c.User.Real && uid != c.User.Saved:
		return old, syscall.EPERM
	}
	c.User.Effective, c.User.FS = uid, uid
	return c.fixup(old), 0
}

// Setreuid is setreuid(2).
func (c Creds) Setreuid(ruid, euid uint32) (Creds, syscall.Errno) {
	ids, errno := c.User.setre(ruid, euid, c.Can(Setuid))
	if errno != 0 {
		return c, errno
	}
	old := c
	c.User = ids
	return c.fixup(old), 0
}

// Setresuid is setresuid(2).
func (c Creds) Setresuid(ruid, euid, suid uint32) (Creds, syscall.Errno) {
	ids, errno := c.User.setres(ruid, euid, suid, c.Can(Setuid))
	if errno != 0 {
		return c, errno
	}
	old := c
	c.User = ids
	return c.fixup(old), 0
}

// Setfsuid is setfsuid(2), which returns the former id whether it has changed it or not.
func (c Creds) Setfsuid(uid uint32) Creds {
	if uid == Unset || !c.User.has(uid) && uid != c.User.FS && !c.Can(Setuid) || uid == c.User.FS {
		return c
	}
	old := c.User.FS
	c.User.FS = uid
	switch {
	case old == 0 && uid != 0:
		c.Effective &^= fsCaps
	case old != 0 && uid == 0:
		c.Effective |= c.Permitted & fsCaps
	}
	return c
}

// Setgid is setgid(2).
func (c Creds) Setgid(gid uint32) (Creds, syscall.Errno) {
	switch {
	case gid == Unset:
		return c, syscall.EINVAL
	case c.Can(Setgid):
		c.Group = all(gid)
	case gid == c.Group.Real || gid == c.Group.Saved:
		c.Group.Effective, c.Group.FS = gid, gid
	default:
		return c, syscall.EPERM
	}
	return c, 0
}

// Setregid is setregid(2).
func (c Creds) Setregid(rgid, egid uint32) (Creds, syscall.Errno) {
	ids, errno := c.Group.setre(rgid, egid, c.Can(Setgid))
	if errno == 0 {
		c.Group = ids
	}
	return c, errno
}

// Setresgid is setresgid(2).
func (c Creds) Setresgid(rgid, egid, sgid uint32) (Creds, syscall.Errno) {
	ids, errno := c.Group.setres(rgid, egid, sgid, c.Can(Setgid))
	if errno == 0 {
		c.Group = ids
	}
	return c, errno
}

// Setfsgid is setfsgid(2).
func (c Creds) Setfsgid(gid uint32) Creds {
	if gid != Unset && (c.Group.has(gid) || gid == c.Group.FS || c.Can(Setgid)) {
		c.Group.FS = gid
	}
	return c
}

// MaxGroups is NGROUPS_MAX.
const MaxGroups = 65536

// Setgroups is setgroups(2).
func (c Creds) Setgroups(groups []uint32) (Creds, syscall.Errno) {
	switch {
	case !c.Can(Setgid):
		return c, syscall.EPERM
	case len(groups) > MaxGroups:
		return c, syscall.EINVAL
	}
	if slices.Contains(groups, Unset) {
		return c, syscall.EINVAL
	}
	c.groups = pack(groups)
	return c, 0
}

func (i IDs) setre(r, e uint32, privileged bool) (IDs, syscall.Errno) {
	old := i
	if r != Unset {
		if i.Real = r; r != old.Real && r != old.Effective && !privileged {
			return old, syscall.EPERM
		}
	}
	if e != Unset {
		if i.Effective = e; !old.has(e) && !privileged {
			return old, syscall.EPERM
		}
	}
	if r != Unset || e != Unset && e != old.Real {
		i.Saved = i.Effective
	}
	i.FS = i.Effective
	return i, 0
}

func (i IDs) setres(r, e, s uint32, privileged bool) (IDs, syscall.Errno) {
	old := i
	if (r == Unset || r == i.Real) && (s == Unset || s == i.Saved) && (e == Unset || e == i.Effective && e == i.FS) {
		return i, 0 // the file system id stays, too
	}
	for _, id := range []struct {
		to  *uint32
		new uint32
	}{{&i.Real, r}, {&i.Effective, e}, {&i.Saved, s}} {
		if id.new == Unset {
			continue
		}
		if !old.has(id.new) && !privileged {
			return old, syscall.EPERM
		}
		*id.to = id.new
	}
	i.FS = i.Effective
	return i, 0
}

// fixup is cap_emulate_setxuid: what a change of user ids does to capabilities.
func (c Creds) fixup(old Creds) Creds {
	hadRoot := old.User.Real == 0 || old.User.Effective == 0 || old.User.Saved == 0
	hasRoot := c.User.Real == 0 || c.User.Effective == 0 || c.User.Saved == 0
	if hadRoot && !hasRoot && !c.KeepCaps {
		c.Permitted, c.Effective = 0, 0
	}
	if old.User.Effective == 0 && c.User.Effective != 0 {
		c.Effective = 0
	}
	if old.User.Effective != 0 && c.User.Effective == 0 {
		c.Effective = c.Permitted
	}
	return c
}
