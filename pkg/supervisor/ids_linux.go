// SPDX-License-Identifier: MPL-2.0

package supervisor

import (
	"encoding/binary"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/carosio/carosbuild/pkg/supervisor/creds"
	"github.com/carosio/carosbuild/pkg/supervisor/filter"
)

// setIDs answers the calls that change ids and groups.
func (c *call) setIDs() answer {
	next, errno := c.creds, syscall.Errno(0)
	value := int64(0)
	ids := c.IDs
	switch c.Name {
	case "setuid":
		next, errno = next.Setuid(ids[0])
	case "setgid":
		next, errno = next.Setgid(ids[0])
	case "setreuid":
		next, errno = next.Setreuid(ids[0], ids[1])
	case "setregid":
		next, errno = next.Setregid(ids[0], ids[1])
	case "setresuid":
		next, errno = next.Setresuid(ids[0], ids[1], ids[2])
	case "setresgid":
		next, errno = next.Setresgid(ids[0], ids[1], ids[2])
	case "setgroups":
		next, errno = next.Setgroups(ids)
	case "setfsuid": // returns the previous id
		value = c.told(next.User.FS)
		next = next.Setfsuid(ids[0])
	case "setfsgid":
		value = c.told(next.Group.FS)
		next = next.Setfsgid(ids[0])
	}
	if errno != 0 {
		return fails(errno)
	}
	if err := c.become(next); err != nil {
		return fails(err)
	}
	return answer{value: value}
}

// overflowID is returned by a call with ids of 16 bits for ids that have more.
const overflowID = 65534

// told is an id in the form that a call returns.
func (c *call) told(id uint32) int64 {
	if c.Narrow && id > 0xffff {
		return overflowID
	}
	return int64(id)
}

func (c *call) getID() answer {
	id := c.creds.User.Real
	switch c.Name {
	case "geteuid":
		id = c.creds.User.Effective
	case "getgid":
		id = c.creds.Group.Real
	case "getegid":
		id = c.creds.Group.Effective
	}
	return answer{value: c.told(id)}
}

// appendID appends an id in the width of the call.
func (c *call) appendID(b []byte, id uint32) []byte {
	if c.Narrow {
		return binary.LittleEndian.AppendUint16(b, uint16(c.told(id)))
	}
	return binary.LittleEndian.AppendUint32(b, id)
}

func (c *call) getResIDs() answer {
	ids := c.creds.User
	if c.Name == "getresgid" {
		ids = c.creds.Group
	}
	for i, id := range []uint32{ids.Real, ids.Effective, ids.Saved} {
		if err := c.thread.write(c.Args[i], c.appendID(nil, id)); err != nil {
			return fails(err)
		}
	}
	return success
}

func (c *call) getGroups() answer {
	groups := c.creds.Groups()
	size := int32(uint32(c.Size))
	switch {
	case size < 0, size > 0 && int(size) < len(groups):
		return fails(unix.EINVAL)
	case size == 0:
		return answer{value: int64(len(groups))}
	}
	var b []byte
	for _, g := range groups {
		b = c.appendID(b, g)
	}
	if err := c.thread.write(c.Buf, b); err != nil {
		return fails(err)
	}
	return answer{value: int64(len(groups))}
}

// Versions of struct __user_cap_header_struct, linux/capability.h.
const (
	capVersion1 = 0x19980330
	capVersion2 = 0x20071026
	capVersion3 = 0x20080522
)

// capHeader reads the header of capget and capset: the number of words in each set, and
// whether the call is about the caller itself.
func (c *call) capHeader() (words int, own bool, err error) {
	var b [8]byte
	if c.thread.Read(c.Args[0], b[:]) != nil {
		return 0, false, unix.EFAULT
	}
	pid := int(int32(binary.LittleEndian.Uint32(b[4:])))
	own = pid == 0
	if !own {
		if s, err := c.thread.status(); err == nil {
			own = pid == s.own[0] || pid == s.own[1]
		}
	}
	switch binary.LittleEndian.Uint32(b[:]) {
	case capVersion1:
		return 1, own, nil
	case capVersion2, capVersion3:
		return 2, own, nil
	}
	return 0, own, nil
}

func (c *call) capget() answer {
	words, own, err := c.capHeader()
	if err != nil {
		return fails(err)
	}
	if words == 0 || !own || c.Args[1] == 0 { // the call asks for the version, or about another process
		return proceed
	}
	var b []byte
	for w := range words {
		for _, set := range []creds.Caps{c.creds.Effective, c.creds.Permitted, c.creds.Inheritable} {
			b = binary.LittleEndian.AppendUint32(b, uint32(set>>(32*w)))
		}
	}
	return fails(c.thread.write(c.Args[1], b))
}

// capset changes the model only. The process keeps its real capabilities: without them it could
// not do what root in the step may do.
func (c *call) capset() answer {
	words, own, err := c.capHeader()
	switch {
	case err != nil:
		return fails(err)
	case words == 0:
		return proceed
	case !own:
		return fails(unix.EPERM)
	}
	b := make([]byte, 12*words)
	if c.thread.Read(c.Args[1], b) != nil {
		return fails(unix.EFAULT)
	}
	var sets [3]creds.Caps
	for i := range 3 * words {
		sets[i%3] |= creds.Caps(binary.LittleEndian.Uint32(b[4*i:])) << (32 * (i / 3))
	}
	next, errno := c.creds.Capset(sets[0], sets[1], sets[2])
	if errno != 0 {
		return fails(errno)
	}
	return fails(c.become(next))
}

func (c *call) prctl() answer {
	switch int(uint32(c.Args[0])) {
	case unix.PR_GET_KEEPCAPS:
		if c.creds.KeepCaps {
			return answer{value: 1}
		}
		return success
	case unix.PR_SET_KEEPCAPS:
		if c.Args[1] > 1 {
			return fails(unix.EINVAL)
		}
		next := c.creds
		next.KeepCaps = c.Args[1] == 1
		return fails(c.become(next))
	case unix.PR_CAPBSET_DROP:
		if c.Args[1] > 63 {
			return fails(unix.EINVAL)
		}
		if !c.creds.Can(creds.Setpcap) {
			return fails(unix.EPERM)
		}
		next := c.creds
		next.Bounding &^= 1 << c.Args[1]
		if err := c.become(next); err != nil {
			return fails(err)
		}
	}
	return proceed
}

// infinity is RLIM_INFINITY in the caller's long.
func (c *call) infinity() []byte {
	max := ^uint64(0)
	b := binary.LittleEndian.AppendUint64(nil, max)
	if c.Arch == filter.I386 || c.Arch == filter.ARM {
		return b[:4]
	}
	return b
}

// setrlimit answers calls about the limit that carries credentials: to the step it looks
// infinite.
func (c *call) setrlimit() answer {
	return c.unlimited(c.Buf, c.infinity())
}

// unlimited lets a limit be set to infinity.
func (c *call) unlimited(addr uint64, infinity []byte) answer {
	b := make([]byte, 2*len(infinity))
	if c.thread.Read(addr, b) != nil {
		return fails(unix.EFAULT)
	}
	if string(b) != string(infinity)+string(infinity) {
		return fails(unix.EPERM)
	}
	return success
}

func (c *call) getrlimit() answer {
	b := c.infinity()
	return fails(c.thread.write(c.Buf, append(b, b...)))
}

func (c *call) prlimit() answer {
	b := binary.LittleEndian.AppendUint64(nil, ^uint64(0))
	if c.Args[2] != 0 {
		if a := c.unlimited(c.Args[2], b); a.errno != 0 {
			return a
		}
	}
	if c.Args[3] != 0 {
		return fails(c.thread.write(c.Args[3], append(b, b...)))
	}
	return success
}
