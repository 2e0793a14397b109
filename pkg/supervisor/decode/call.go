// SPDX-License-Identifier: MPL-2.0

package decode

import (
	"encoding/binary"
	"strings"
	"syscall"

	"github.com/carosio/carosbuild/pkg/supervisor/creds"
	"github.com/carosio/carosbuild/pkg/supervisor/filter"
)

// Call is a system call with its arguments read.
type Call struct {
	Name   string // as in package filter, without the 16 of 16-bit calls
	Arch   filter.Arch
	Narrow bool // ids have 16 bits
	Args   [6]uint64

	Target Target
	UID    uint32 // creds.Unset: leave it
	GID    uint32
	IDs    []uint32 // of set*id and setgroups
	Mode   uint32
	Flags  uint32
	Mask   uint32
	Major  uint32
	Minor  uint32
	Attr   string // name of an extended attribute
	Value  []byte // of the attribute, or a socket's address
	Link   string // target of a symbolic link
	Buf    uint64 // address for the answer
	Size   uint64 // of Buf
	At     bool   // an answer to getxattrat: Buf has struct xattr_args
}

// Target is the file that a call is about.
type Target struct {
	FD     int32  // a directory's or, without a path, the file's; AtCwd
	Path   string // "" with Empty: FD itself
	ByFD   bool   // FD is the file
	NoLink bool   // a symbolic link at the end of the path is the file
}

// AtCwd as a descriptor is the working directory, AT_FDCWD.
const AtCwd = -100

// Flags of *at calls, uapi/linux/fcntl.h.
const (
	atNoFollow  = 0x100
	atEmptyPath = 0x1000
)

// shapes describe the arguments of each call, in order.
var shapes = map[string]string{
	"chown": "path uid gid", "lchown": "link uid gid", "fchown": "fd uid gid", "fchownat": "dir path uid gid at",
	"chmod": "path mode", "fchmod": "fd mode", "fchmodat": "dir path mode", "fchmodat2": "dir path mode at",
	"stat": "path buf", "lstat": "link buf", "fstat": "fd buf", "newfstatat": "dir path buf at",
	"stat64": "path buf", "lstat64": "link buf", "fstat64": "fd buf", "fstatat64": "dir path buf at",
	"statx": "dir path at mask buf",
	"mknod": "link mode dev", "mknodat": "dir link mode dev", "mkdir": "link mode", "mkdirat": "dir link mode",
	"symlink": "text link", "symlinkat": "text dir link",
	"creat": "path mode", "open": "path flags mode", "openat": "dir path flags mode",
	"setxattr": "path attr value size flags", "lsetxattr": "link attr value size flags", "fsetxattr": "fd attr value size flags",
	"getxattr": "path attr buf size", "lgetxattr": "link attr buf size", "fgetxattr": "fd attr buf size",
	"listxattr": "path buf size", "llistxattr": "link buf size", "flistxattr": "fd buf size",
	"removexattr": "path attr", "lremovexattr": "link attr", "fremovexattr": "fd attr",
	"setxattrat": "dir path at attr xargs", "getxattrat": "dir path at attr xargs",
	"listxattrat": "dir path at buf size", "removexattrat": "dir path at attr",
	"execve": "path", "execveat": "dir path - - at", "chroot": "path", "bind": "fd sockaddr size",
	"setuid": "id", "setgid": "id", "setfsuid": "id", "setfsgid": "id", "setreuid": "id id", "setregid": "id id",
	"setresuid": "id id id", "setresgid": "id id id", "setgroups": "groups -", "getgroups": "count buf",
	"getuid": "", "geteuid": "", "getgid": "", "getegid": "", "getresuid": "- - -", "getresgid": "- - -",
	"capget": "- -", "capset": "- -", "prctl": "- - -",
	"setrlimit": "- buf", "getrlimit": "- buf", "ugetrlimit": "- buf", "prlimit64": "- - - -", "socketcall": "- sockargs",
}

// words are the words of each shape.
var words = func() map[string][]string {
	out := map[string][]string{}
	for name, shape := range shapes {
		out[name] = strings.Fields(shape)
	}
	return out
}()

// Known reports whether a call has a shape.
func Known(name string) bool {
	_, ok := shapes[strings.TrimSuffix(name, "16")]
	return ok
}

// Decode reads the arguments of a call.
func Decode(m Memory, arch filter.Arch, name string, args [6]uint64) (Call, syscall.Errno) {
	c := Call{Arch: arch, Args: args, Target: Target{FD: AtCwd}, UID: creds.Unset, GID: creds.Unset}
	c.Name = strings.TrimSuffix(name, "16")
	c.Narrow = c.Name != name
	shape, ok := words[c.Name]
	if !ok {
		return c, syscall.ENOSYS
	}
	d := decoder{m: m, call: &c}
	// A later flag may allow an empty path.
	for i, word := range shape {
		if word == "at" {
			d.flags(uint32(args[i]))
		}
	}
	for i, word := range shape {
		d.argument(word, args[i], args[(i+1)%len(args)])
	}
	return c, d.errno
}

type decoder struct {
	m     Memory
	call  *Call
	empty bool
	errno syscall.Errno // the first error
}

func (d *decoder) flags(at uint32) {
	d.call.Flags = at
	d.empty = at&atEmptyPath != 0
	d.call.Target.NoLink = at&atNoFollow != 0
}

// argument reads one argument; next is the argument after it.
func (d *decoder) argument(word string, v, next uint64) {
	if d.errno != 0 {
		return
	}
	c := d.call
	switch word {
	case "fd":
		c.Target = Target{FD: int32(v), ByFD: true}
	case "dir":
		c.Target.FD = int32(v)
	case "path":
		d.path(v)
	case "link":
		c.Target.NoLink = true
		d.path(v)
	case "uid":
		c.UID = c.id(v)
	case "gid":
		c.GID = c.id(v)
	case "id":
		c.IDs = append(c.IDs, c.id(v))
	case "mode":
		c.Mode = uint32(v)
	case "flags":
		c.Flags = uint32(v)
	case "mask":
		c.Mask = uint32(v)
	case "dev": // new_decode_dev, linux/kdev_t.h
		c.Major, c.Minor = uint32(v)>>8&0xfff, uint32(v)&0xff|uint32(v)>>12&0xfff00
	case "buf":
		c.Buf = v
	case "size", "count":
		c.Size = v
	case "attr":
		if c.Attr, d.errno = text(d.m, v, xattrNameMax+1, syscall.ERANGE); d.errno == 0 && c.Attr == "" {
			d.errno = syscall.ERANGE
		}
	case "value":
		c.Value, d.errno = data(d.m, v, next, xattrSizeMax, syscall.E2BIG)
	case "text":
		c.Link, d.errno = text(d.m, v, pathMax, syscall.ENAMETOOLONG)
	case "xargs":
		d.xattrArgs(v, next)
	case "groups":
		d.groups(next, v)
	case "sockaddr":
		c.Value, d.errno = data(d.m, v, next&0xffffffff, maxSockaddr, syscall.EINVAL)
	case "sockargs":
		d.socketcall(v)
	}
}

func (d *decoder) path(addr uint64) {
	t := &d.call.Target
	if addr == 0 && d.empty { // since Linux 6.11
		t.ByFD = true
		return
	}
	if t.Path, d.errno = text(d.m, addr, pathMax, syscall.ENAMETOOLONG); d.errno != 0 || t.Path != "" {
		return
	}
	if t.ByFD = d.empty; !d.empty {
		d.errno = syscall.ENOENT
	}
}

// id widens an id: low2highuid of linux/highuid.h.
func (c *Call) id(v uint64) uint32 {
	if !c.Narrow {
		return uint32(v)
	}
	if uint16(v) == 0xffff {
		return creds.Unset
	}
	return uint32(uint16(v))
}

// xattrArgs reads struct xattr_args of uapi/linux/xattr.h.
func (d *decoder) xattrArgs(addr, size uint64) {
	c := d.call
	b, errno := data(d.m, addr, min(size, 16), 16, 0)
	if d.errno = errno; errno != 0 {
		return
	}
	if size < 16 {
		d.errno = syscall.EINVAL
		return
	}
	if size > page {
		d.errno = syscall.E2BIG
		return
	}
	c.At, c.Buf, c.Size = true, binary.LittleEndian.Uint64(b), uint64(binary.LittleEndian.Uint32(b[8:]))
	flags := binary.LittleEndian.Uint32(b[12:])
	if c.Name == "setxattrat" {
		c.Value, d.errno = data(d.m, c.Buf, c.Size, xattrSizeMax, syscall.E2BIG)
		c.Flags = flags
	} else if flags != 0 {
		d.errno = syscall.EINVAL
	}
}

func (d *decoder) groups(addr, n uint64) {
	c := d.call
	if int32(n) < 0 || n&0xffffffff > creds.MaxGroups {
		d.errno = syscall.EINVAL
		return
	}
	n &= 0xffffffff
	width := uint64(4)
	if c.Narrow {
		width = 2
	}
	b, errno := data(d.m, addr, n*width, 4*creds.MaxGroups, syscall.EINVAL)
	if d.errno = errno; errno != 0 {
		return
	}
	for i := uint64(0); i < n; i++ {
		if c.Narrow {
			c.IDs = append(c.IDs, c.id(uint64(binary.LittleEndian.Uint16(b[2*i:]))))
		} else {
			c.IDs = append(c.IDs, binary.LittleEndian.Uint32(b[4*i:]))
		}
	}
}

// socketcall reads the arguments of the bind in socketcall(2).
func (d *decoder) socketcall(addr uint64) {
	b, errno := data(d.m, addr, 12, 12, 0)
	if d.errno = errno; errno != 0 {
		return
	}
	c, le := d.call, binary.LittleEndian
	c.Name = "bind"
	c.Target = Target{FD: int32(le.Uint32(b)), ByFD: true}
	c.Size = uint64(le.Uint32(b[8:]))
	c.Value, d.errno = data(d.m, uint64(le.Uint32(b[4:])), c.Size, maxSockaddr, syscall.EINVAL)
}
