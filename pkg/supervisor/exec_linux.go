// SPDX-License-Identifier: MPL-2.0

package supervisor

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"runtime"

	"golang.org/x/sys/unix"

	"github.com/carosio/carosbuild/pkg/supervisor/creds"
	"github.com/carosio/carosbuild/pkg/supervisor/decode"
)

// execve notes that the caller may become a program with other credentials. The caller gets
// them once it has, according to the file that the kernel has executed: see identify. A file
// that would not change the credentials, as seen here, does not change them later.
func (c *call) execve() answer {
	fd, err := c.open(c.Target)
	if err != nil {
		return fails(err)
	}
	next, err := c.after(fd, maxInterpreters)
	if err != nil {
		return fails(err)
	}
	if next == c.creds {
		return proceed
	}
	image, err := c.thread.image()
	if err != nil {
		return fails(err)
	}
	if image == c.left { // it tries again
		return proceed
	}
	if err := c.carry(c.sup.carrier.Leaving(c.creds, image)); err != nil {
		return fails(err)
	}
	return proceed
}

// maxInterpreters is how many scripts may be nested as interpreters, as in the kernel.
const maxInterpreters = 5

// after returns the credentials of the program in an open file, or of its interpreter. It
// closes the file.
func (c *call) after(fd, depth int) (creds.Creds, error) {
	defer unix.Close(fd)
	if name, ok := interpreter(head(fd)); ok && depth > 0 {
		next, err := c.open(decode.Target{FD: decode.AtCwd, Path: name})
		if err != nil {
			return c.creds, nil // the kernel does not find it, either
		}
		return c.after(next, depth-1)
	}
	p, err := c.program(fd)
	return c.creds.Exec(p), err
}

// interpreter is the program that the first line of a script names.
func interpreter(head []byte) (string, bool) {
	line, ok := bytes.CutPrefix(head, []byte("#!"))
	if !ok {
		return "", false
	}
	line, _, _ = bytes.Cut(line, []byte("\n"))
	fields := bytes.Fields(line)
	if len(fields) == 0 {
		return "", false
	}
	return string(fields[0]), true
}

// executed gives the caller the credentials of the program that it has become.
func (c *call) executed() error {
	fd, err := c.checked(unix.Open(c.thread.path("exe"), unix.O_PATH|unix.O_CLOEXEC, 0))
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	p, err := c.program(fd)
	if err != nil {
		return err
	}
	next := c.creds.Exec(p)
	index := c.sup.carrier.Index(c.limit, next)
	if err := c.carry(index); err != nil {
		return err
	}
	c.creds, c.limit, c.left = next, index, creds.Image{}
	return nil
}

// program is what a program's file gives to the process that executes it: nothing if it is a
// script or for an emulated architecture, or if the caller has no_new_privs.
func (c *call) program(fd int) (creds.Program, error) {
	var p creds.Program
	var caps [24]byte
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil || st.Mode&unix.S_IFMT != unix.S_IFREG {
		return p, err
	}
	n, err := unix.Getxattr(fdPath(fd), "security.capability", caps[:])
	if err != nil {
		n = 0
	}
	suid, sgid := st.Mode&unix.S_ISUID != 0, st.Mode&unix.S_ISGID != 0 && st.Mode&0o010 != 0
	if !suid && !sgid && n == 0 {
		return p, nil
	}
	if !ownProgram(fd) || noSetuid(fd) {
		return p, nil
	}
	s, err := c.thread.status()
	if err != nil {
		return p, unix.ESRCH
	}
	if s.noNewPrivs && !c.sup.noNewPrivs {
		return p, nil
	}
	o, _, err := c.sup.table.Of(fd)
	if err != nil {
		return p, err
	}
	return creds.Program{UID: o.UID, GID: o.GID, Setuid: suid, Setgid: sgid, Caps: creds.ParseFileCaps(caps[:n])}, nil
}

// noSetuid reports whether a file is on a mount that ignores set-id bits. The root's mount
// counts as one that does not: it has that flag if the store's mount has it.
func noSetuid(fd int) bool {
	var fs unix.Statfs_t
	return unix.Fstatfs(fd, &fs) == nil && fs.Flags&unix.ST_NOSUID != 0 && mountOf(fd, "") != mountOf(unix.AT_FDCWD, "/")
}

// mountOf is the number of a file's mount; 0 before Linux 5.8.
func mountOf(dir int, name string) uint64 {
	var st unix.Statx_t
	if unix.Statx(dir, name, unix.AT_EMPTY_PATH, unix.STATX_MNT_ID, &st) != nil {
		return 0
	}
	return st.Mnt_id
}

// head reads the beginning of a file.
func head(fd int) []byte {
	f, err := unix.Open(fdPath(fd), unix.O_RDONLY|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil
	}
	defer unix.Close(f)
	b := make([]byte, 256)
	n, err := unix.Read(f, b)
	if err != nil {
		return nil
	}
	return b[:n]
}

// ownProgram reports whether a program is for the machine's own architecture.
func ownProgram(fd int) bool {
	b := head(fd)
	if len(b) < 20 || string(b[:4]) != elf.ELFMAG {
		return false
	}
	machine := elf.Machine(binary.LittleEndian.Uint16(b[18:]))
	switch runtime.GOARCH {
	case "amd64":
		return machine == elf.EM_X86_64 || machine == elf.EM_386
	case "arm64":
		return machine == elf.EM_AARCH64 || machine == elf.EM_ARM
	}
	return false
}

// chroot is left to the kernel; from then on the roots of callers are checked.
func (c *call) chroot() answer {
	if !c.creds.Can(creds.Chroot) {
		return fails(unix.EPERM)
	}
	c.sup.chrooted.Store(true)
	return proceed
}
