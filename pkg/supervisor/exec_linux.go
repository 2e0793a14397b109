// SPDX-License-Identifier: MPL-2.0

package supervisor

import (
	"debug/elf"
	"encoding/binary"
	"runtime"

	"golang.org/x/sys/unix"

	"github.com/carosio/carosbuild/pkg/supervisor/creds"
)

// execve gives the caller the credentials of the program before the kernel executes it. It
// first checks, as far as possible, whether the execution will succeed.
func (c *call) execve() answer {
	fd, err := c.open(c.Target)
	if err != nil {
		return fails(err)
	}
	defer unix.Close(fd)
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return fails(err)
	}
	if st.Mode&unix.S_IFMT != unix.S_IFREG || st.Mode&0o111 == 0 {
		return proceed // EACCES
	}
	p, err := c.program(fd, &st)
	if err != nil {
		return fails(err)
	}
	next := c.creds.Exec(p)
	if next == c.creds {
		return proceed
	}
	if !startable(fd) {
		return proceed // ENOEXEC: a shell reads it, which is executed itself
	}
	if err := c.become(next); err != nil {
		return fails(err)
	}
	return proceed
}

// program describes the privileges that a program's file gives: none if it is a script or
// for an emulated machine, or if the caller has no_new_privs.
func (c *call) program(fd int, st *unix.Stat_t) (creds.Program, error) {
	var p creds.Program
	var caps [24]byte
	n, err := unix.Getxattr(fdPath(fd), "security.capability", caps[:])
	if err != nil {
		n = 0
	}
	suid, sgid := st.Mode&unix.S_ISUID != 0, st.Mode&unix.S_ISGID != 0 && st.Mode&0o010 != 0
	if !suid && !sgid && n == 0 {
		return p, nil
	}
	if !ownProgram(fd) {
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

// head reads the beginning of a file.
func head(fd int) []byte {
	f, err := unix.Open(fdPath(fd), unix.O_RDONLY|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil
	}
	defer unix.Close(f)
	b := make([]byte, 20)
	n, err := unix.Read(f, b)
	if err != nil {
		return nil
	}
	return b[:n]
}

// startable reports whether the kernel knows the kind of a program.
func startable(fd int) bool {
	b := head(fd)
	return len(b) > 2 && b[0] == '#' && b[1] == '!' || len(b) == 20 && string(b[:4]) == elf.ELFMAG
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

// chroot is left to the kernel; from then on the roots of callers are looked at.
func (c *call) chroot() answer {
	if !c.creds.Can(creds.Chroot) {
		return fails(unix.EPERM)
	}
	c.sup.chrooted.Store(true)
	return proceed
}
