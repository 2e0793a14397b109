// SPDX-License-Identifier: MPL-2.0

package binfmt

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"

	"github.com/carosio/carosbuild/pkg/remedy"
	"golang.org/x/sys/unix"
)

// Table is where the kernel's table of foreign executables is mounted. From
// Linux 6.7 on each user namespace may have one of its own.
const Table = "/proc/sys/fs/binfmt_misc"

// Emulators run programs of other architectures.
type Emulators struct {
	Scratch string // directory that vanishes with the namespace
	// HostOnly leaves it at what the host has registered: there is no namespace that
	// a table could be of.
	HostOnly bool

	mu         sync.Mutex
	registered bool     // in the namespace's own table
	runs       []string // architectures that were found to run
}

// Emulate makes programs of an architecture, named as in an image's
// configuration, run in the steps: through the emulator that the host has
// registered, else through qemu's user mode, which is then registered in a
// table of this user namespace only. What runs without is left alone. It may
// be called as often as one likes; a remedy.Error says what the host lacks.
func (r *Emulators) Emulate(ctx context.Context, arch string) error {
	if arch == "" || arch == runtime.GOARCH {
		return nil
	}
	i := slices.IndexFunc(machines(), func(m machine) bool { return m.arch == arch })
	if i < 0 {
		return &remedy.Error{Tried: fmt.Sprintf("no emulator is known for architecture %s", arch), Cure: "build on such a machine"}
	}
	m := machines()[i]
	r.mu.Lock()
	defer r.mu.Unlock()
	if slices.Contains(r.runs, arch) {
		return nil
	}
	err := r.tried(ctx, m)
	if err != nil && !r.registered && !r.HostOnly {
		if err := r.register(ctx); err != nil {
			return err
		}
		r.registered, r.runs = true, nil // the host's table is hidden now
		err = r.tried(ctx, m)
	}
	if err != nil {
		return m.refusal(err)
	}
	r.runs = append(r.runs, arch)
	return nil
}

// register mounts the namespace's own table, which hides the host's, and fills
// it with every emulator that is installed and of use.
func (r *Emulators) register(ctx context.Context) error {
	if err := unix.Mount("binfmt_misc", Table, "binfmt_misc", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, ""); err != nil {
		return mountRefusal(err)
	}
	for _, m := range machines() {
		path := m.emulator()
		if path == "" || r.tried(ctx, m) == nil { // the processor does it by itself
			continue
		}
		if err := os.WriteFile(filepath.Join(Table, "register"), []byte(m.registration(path)), 0); err != nil {
			return fmt.Errorf("register %s in the namespace's table of executables: %w", path, err)
		}
	}
	return nil
}

func mountRefusal(err error) error {
	h := &remedy.Error{Tried: "mount binfmt_misc inside the namespace, to run programs of another architecture", Err: err}
	switch {
	case errors.Is(err, unix.EPERM):
		h.Cure = "Linux 6.7 or later; with an older kernel, as an administrator: apt-get install qemu-user-static binfmt-support, which registers the emulators on the host"
	case errors.Is(err, unix.ENODEV):
		h.Cure = "as an administrator: modprobe binfmt_misc (the kernel's option CONFIG_BINFMT_MISC)"
	}
	return h
}

// tried runs a program of the machine that does nothing, in a root of its own:
// an emulator that is looked for there is of no use for steps.
func (r *Emulators) tried(ctx context.Context, m machine) error {
	root := filepath.Join(r.Scratch, "trial-"+m.qemu)
	if err := os.MkdirAll(root, 0o700); err != nil {
		return err
	}
	if err := writeProgram(filepath.Join(root, "trial"), m.program()); err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, "/trial")
	cmd.Dir, cmd.Env = "/", []string{}
	cmd.SysProcAttr = &syscall.SysProcAttr{Chroot: root, Pdeathsig: syscall.SIGKILL}
	return cmd.Run()
}

// writeProgram keeps the file from being open for writing in a process that
// another goroutine starts: it could not be executed meanwhile (ETXTBSY).
func writeProgram(path string, data []byte) error {
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	if err := os.Remove(path); err != nil && !os.IsNotExist(err) {
		return err
	}
	return os.WriteFile(path, data, 0o700)
}

// emulator is the path of the machine's emulator, "" if there is none. It is
// opened when it is registered and must not need libraries, because a step's
// root has none of this host's.
func (m machine) emulator() string {
	for _, name := range []string{"qemu-" + m.qemu + "-static", "qemu-" + m.qemu} {
		path := filepath.Join("/usr/bin", name)
		if st, err := os.Stat(path); err == nil && st.Mode()&0o111 != 0 {
			return path
		}
	}
	return ""
}

func (m machine) refusal(err error) error {
	h := &remedy.Error{Tried: "run programs of architecture " + m.arch + " on this host", Err: err}
	if path := m.emulator(); path != "" {
		h.Tried = fmt.Sprintf("%s through %s", h.Tried, path)
		h.Cure = "check that it is statically linked; as an administrator: apt-get install --reinstall qemu-user-static"
		return h
	}
	h.Err = nil
	h.Tried += fmt.Sprintf(": there is no qemu-%s-static", m.qemu)
	h.Cure = "as an administrator: apt-get install qemu-user-static"
	return h
}

// registration is the line that makes the kernel run the machine's programs
// with the emulator at path (Documentation/admin-guide/binfmt-misc.rst):
// F opens it now, P keeps the program's own argv[0], O hands the program over
// as a descriptor, C honours its setuid bit.
func (m machine) registration(path string) string {
	magic := m.header()[:magicLen]
	mask := []byte(strings.Repeat("\xff", magicLen))
	mask[osABI] = 0
	mask[fileType] = 0xfe // ET_EXEC and ET_DYN
	return fmt.Sprintf(":qemu-%s:M:0:%s:%s:%s:POCF", m.qemu, escaped(magic), escaped(mask), path)
}

func escaped(b []byte) string {
	var s strings.Builder
	for _, c := range b {
		fmt.Fprintf(&s, `\x%02x`, c)
	}
	return s.String()
}

// Emulator is the path of the emulator for an architecture, named as in an image's
// configuration; "" if there is none.
func Emulator(arch string) string {
	for _, m := range machines() {
		if m.arch == arch {
			return m.emulator()
		}
	}
	return ""
}
