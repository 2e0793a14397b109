// SPDX-License-Identifier: MPL-2.0

package decode

import (
	"encoding/binary"
	"errors"
	"strings"
	"syscall"
	"testing"

	"github.com/carosio/carosbuild/pkg/supervisor/creds"
	"github.com/carosio/carosbuild/pkg/supervisor/filter"

	"github.com/google/go-cmp/cmp"
)

// space is memory whose addresses begin at base; nothing around it is mapped.
type space struct {
	base uint64
	b    []byte
}

func (s space) Read(addr uint64, p []byte) error {
	if addr < s.base || addr-s.base > uint64(len(s.b)) || uint64(len(s.b))-(addr-s.base) < uint64(len(p)) {
		return errors.New("not mapped")
	}
	copy(p, s.b[addr-s.base:])
	return nil
}

// put makes a space of two pages with a string or bytes at an offset.
func put(at int, v string) space {
	s := space{base: 0x7000, b: make([]byte, 8192)}
	copy(s.b[at:], v)
	return s
}

func TestDecode(t *testing.T) {
	minus := ^uint64(0)
	le := binary.LittleEndian
	attrs := put(0, "/f\x00user.x\x00")
	le.PutUint64(attrs.b[32:], 0x7100)
	le.PutUint32(attrs.b[40:], 3)
	le.PutUint32(attrs.b[44:], 1)
	copy(attrs.b[0x100:], "abc")
	for _, tt := range []struct {
		name  string
		m     Memory
		args  [6]uint64
		want  Call
		errno syscall.Errno
	}{
		{name: "fchownat", m: put(0, "a/b\x00"), args: [6]uint64{0xffffff9c, 0x7000, 33, minus, 0x100}, want: Call{
			Target: Target{FD: AtCwd, Path: "a/b", NoLink: true}, UID: 33, GID: creds.Unset, Flags: 0x100,
		}},
		{name: "chown16", m: put(0, "x\x00"), args: [6]uint64{0x7000, 0xffff, 5}, want: Call{
			Name: "chown", Narrow: true, Target: Target{FD: AtCwd, Path: "x"}, UID: creds.Unset, GID: 5,
		}},
		{name: "fchown", args: [6]uint64{7, 1, 2}, want: Call{Target: Target{FD: 7, ByFD: true}, UID: 1, GID: 2}},
		{name: "newfstatat", m: put(0, "\x00"), args: [6]uint64{5, 0x7000, 99, 0x1000}, want: Call{Target: Target{FD: 5, ByFD: true}, Buf: 99, Flags: 0x1000}},
		{name: "newfstatat", m: put(0, "\x00"), args: [6]uint64{5, 0x7000, 99}, errno: syscall.ENOENT},
		{name: "statx", args: [6]uint64{5, 0, 0x1000, 0xfff, 99}, want: Call{Target: Target{FD: 5, ByFD: true}, Buf: 99, Mask: 0xfff, Flags: 0x1000}},
		{name: "statx", m: put(0, ""), args: [6]uint64{5, 0, 0, 0xfff, 99}, errno: syscall.EFAULT},
		{name: "mknod", m: put(0, "n\x00"), args: [6]uint64{0x7000, 0o20644, 0x12345678}, want: Call{
			Target: Target{FD: AtCwd, Path: "n", NoLink: true}, Mode: 0o20644, Major: 0x456, Minor: 0x12378,
		}},
		{name: "symlinkat", m: put(0, "to\x00from\x00"), args: [6]uint64{0x7000, 3, 0x7003}, want: Call{Target: Target{FD: 3, Path: "from", NoLink: true}, Link: "to"}},
		{name: "setxattr", m: put(0, "f\x00user.a\x00val"), args: [6]uint64{0x7000, 0x7002, 0x7009, 3, 2}, want: Call{
			Target: Target{FD: AtCwd, Path: "f"}, Attr: "user.a", Value: []byte("val"), Size: 3, Flags: 2,
		}},
		{name: "setxattr", m: put(0, "f\x00user.a\x00val"), args: [6]uint64{0x7000, 0x7002, 0x7009, 65537, 2}, errno: syscall.E2BIG},
		{name: "setxattr", m: put(0, "f\x00\x00"), args: [6]uint64{0x7000, 0x7002, 0x7009, 3, 2}, errno: syscall.ERANGE},
		{name: "setxattrat", m: attrs, args: [6]uint64{0xffffff9c, 0x7000, 0, 0x7003, 0x7020, 16}, want: Call{
			Target: Target{FD: AtCwd, Path: "/f"}, Attr: "user.x", Value: []byte("abc"), Size: 3, Buf: 0x7100, Flags: 1, At: true,
		}},
		{name: "setxattrat", m: attrs, args: [6]uint64{0xffffff9c, 0x7000, 0, 0x7003, 0x7020, 8}, errno: syscall.EINVAL},
		{name: "open", m: put(4090, strings.Repeat("x", 4000)+"\x00"), args: [6]uint64{0x7000 + 4090, 0o101, 0o644}, want: Call{
			Target: Target{FD: AtCwd, Path: strings.Repeat("x", 4000)}, Flags: 0o101, Mode: 0o644,
		}},
		{name: "open", m: put(0, strings.Repeat("x", 4096)), args: [6]uint64{0x7000}, errno: syscall.ENAMETOOLONG},
		{name: "open", m: put(8190, "xx"), args: [6]uint64{0x7000 + 8190}, errno: syscall.EFAULT},
		{name: "open", m: space{base: minus - 1, b: []byte("xx")}, args: [6]uint64{minus - 1}, errno: syscall.EFAULT},
		{name: "setresuid16", args: [6]uint64{0xffff, 3, 0x10004}, want: Call{Name: "setresuid", Narrow: true, IDs: []uint32{creds.Unset, 3, 4}}},
		{name: "setgroups", m: put(0, "\x01\x00\x00\x00\x02\x00\x00\x00"), args: [6]uint64{2, 0x7000}, want: Call{IDs: []uint32{1, 2}}},
		{name: "setgroups16", m: put(0, "\x01\x00\x02\x00"), args: [6]uint64{2, 0x7000}, want: Call{Name: "setgroups", Narrow: true, IDs: []uint32{1, 2}}},
		{name: "setgroups", args: [6]uint64{minus, 0x7000}, errno: syscall.EINVAL},
		{name: "setgroups", args: [6]uint64{0, 0}, want: Call{}},
		{name: "bind", m: put(0, "\x01\x00/s"), args: [6]uint64{4, 0x7000, 4}, want: Call{Target: Target{FD: 4, ByFD: true}, Value: []byte("\x01\x00/s"), Size: 4}},
		{name: "bind", m: put(0, ""), args: [6]uint64{4, 0x7000, minus}, errno: syscall.EINVAL},
		{name: "socketcall", m: put(0, "\x04\x00\x00\x00\x10\x70\x00\x00\x04\x00\x00\x00\x00\x00\x00\x00\x01\x00/s"), args: [6]uint64{2, 0x7000}, want: Call{
			Name: "bind", Target: Target{FD: 4, ByFD: true}, Value: []byte("\x01\x00/s"), Size: 4,
		}},
		{name: "execveat", m: put(0, "\x00"), args: [6]uint64{4, 0x7000, 0, 0, 0x1000}, want: Call{Target: Target{FD: 4, ByFD: true}, Flags: 0x1000}},
		{name: "no such call", errno: syscall.ENOSYS},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, errno := Decode(tt.m, filter.X8664, tt.name, tt.args)
			if errno != tt.errno {
				t.Fatalf("error %v, want %v", errno, tt.errno)
			}
			if errno != 0 {
				return
			}
			if tt.want.Name == "" {
				tt.want.Name = tt.name
			}
			if !strings.Contains(tt.name, "chown") {
				tt.want.UID, tt.want.GID = creds.Unset, creds.Unset
			}
			if !tt.want.Target.ByFD && tt.want.Target.Path == "" {
				tt.want.Target.FD = AtCwd
			}
			tt.want.Arch, tt.want.Args = filter.X8664, tt.args
			if diff := cmp.Diff(got, tt.want); diff != "" {
				t.Errorf("(-got +want):\n%s", diff)
			}
		})
	}
}

// Every call that a program hands over can be decoded.
func TestEveryNotifiedCallHasAShape(t *testing.T) {
	for _, name := range filter.Notified() {
		if !Known(name) {
			t.Errorf("%s is handed over, and its arguments are not known", name)
		}
	}
}

func FuzzDecode(f *testing.F) {
	names := filter.Notified()
	add := func(name string, mem string, args ...uint64) {
		for i, n := range names {
			if n == name {
				f.Add(uint8(i), uint16(0), []byte(mem), args[0], args[1], args[2], args[3], args[4])
			}
		}
	}
	add("fchownat", "a/b\x00", 5, 0x7000, 33, 44, 0x1100)
	add("setxattr", "f\x00user.a\x00val", 0x7000, 0x7002, 0x7009, 3, 2)
	add("setxattrat", "f\x00u\x00\x10\x70\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00", 5, 0x7000, 0, 0x7002, 0x7004)
	add("setgroups16", "\x01\x00\x02\x00", 2, 0x7000, 0, 0, 0)
	add("socketcall", "\x04\x00\x00\x00\x00\x70\x00\x00\x0c\x00\x00\x00", 2, 0x7000, 0, 0, 0)
	add("bind", "\x01\x00/run/s\x00", 3, 0x7000, 8, 0, 0)
	add("statx", "\x00", 3, 0x7000, 0x1000, 0xfff, 0x7000)
	f.Fuzz(func(t *testing.T, call uint8, base uint16, mem []byte, a, b, c, d, e uint64) {
		name := names[int(call)%len(names)]
		got, errno := Decode(space{uint64(base) + 0x7000, mem}, filter.I386, name, [6]uint64{a, b, c, d, e, 16})
		if errno != 0 {
			return
		}
		switch {
		case len(got.Target.Path) >= pathMax, len(got.Attr) > xattrNameMax, len(got.Value) > xattrSizeMax, len(got.IDs) > creds.MaxGroups:
			t.Errorf("longer than the kernel has it: %+v", got)
		case strings.ContainsRune(got.Target.Path+got.Attr+got.Link, 0):
			t.Errorf("a zero byte inside: %+v", got)
		case got.Target.ByFD && got.Target.Path != "":
			t.Errorf("a path and none: %+v", got)
		}
	})
}
