// SPDX-License-Identifier: MPL-2.0

package guest

import (
	"fmt"
	"os"
	"strings"

	"github.com/carosio/carosbuild/pkg/vm/wire"
	"golang.org/x/sys/unix"
)

// kernelMount is a kernel file system that every command has.
type kernelMount struct {
	target, kind string
	flags        uintptr
	data         string
}

func kernelMounts() []kernelMount {
	const quiet = unix.MS_NOSUID | unix.MS_NOEXEC | unix.MS_NODEV
	return []kernelMount{
		{"proc", "proc", quiet, ""},
		{"dev", "tmpfs", unix.MS_NOSUID | unix.MS_STRICTATIME, "mode=755,size=65536k"},
		{"dev/pts", "devpts", unix.MS_NOSUID | unix.MS_NOEXEC, "newinstance,ptmxmode=0666,mode=0620,gid=5"},
		{"dev/shm", "tmpfs", quiet, "mode=1777"},
		{"sys", "sysfs", quiet | unix.MS_RDONLY, ""},
	}
}

// mount mounts it in a root, which no link of the stage leads out of.
func (m kernelMount) mount(root int) error {
	if strings.HasPrefix(m.target, "dev/") { // on our own tmpfs
		if err := os.Mkdir(rootDir+"/"+m.target, 0o755); err != nil {
			return err
		}
	}
	fd, err := openIn(root, m.target)
	if err != nil {
		return fmt.Errorf("/%s: %w", m.target, err)
	}
	defer unix.Close(fd)
	if err := unix.Mount(m.kind, self(fd), m.kind, m.flags, m.data); err != nil {
		return fmt.Errorf("mount /%s: %w", m.target, err)
	}
	return nil
}

func self(fd int) string { return fmt.Sprintf("/proc/self/fd/%d", fd) }

// openIn opens a path below root. Links are resolved as if root were "/".
func openIn(root int, name string) (int, error) {
	return unix.Openat2(root, name, &unix.OpenHow{Flags: unix.O_PATH | unix.O_CLOEXEC, Resolve: unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_MAGICLINKS})
}

// devices fills /dev.
func devices(dev string) error {
	for _, d := range []struct {
		name         string
		major, minor uint32
	}{{"null", 1, 3}, {"zero", 1, 5}, {"full", 1, 7}, {"random", 1, 8}, {"urandom", 1, 9}, {"tty", 5, 0}} {
		if err := unix.Mknod(dev+"/"+d.name, unix.S_IFCHR|0o666, int(unix.Mkdev(d.major, d.minor))); err != nil {
			return fmt.Errorf("/dev/%s: %w", d.name, err)
		}
	}
	for name, target := range map[string]string{
		"fd": "/proc/self/fd", "stdin": "/proc/self/fd/0", "stdout": "/proc/self/fd/1", "stderr": "/proc/self/fd/2", "ptmx": "pts/ptmx",
	} {
		if err := os.Symlink(target, dev+"/"+name); err != nil {
			return err
		}
	}
	return nil
}

// bind mounts a part of the second disk.
func bind(root int, m wire.Mount) error {
	fd, err := openIn(root, strings.Trim(m.Target, "/"))
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	if err := unix.Mount(mountsDir+"/"+m.Source, self(fd), "", unix.MS_BIND, ""); err != nil {
		return err
	}
	if !m.ReadOnly {
		return nil
	}
	over, err := openIn(root, strings.Trim(m.Target, "/")) // now the new mount
	if err != nil {
		return err
	}
	defer unix.Close(over)
	return unix.Mount("", self(over), "", unix.MS_BIND|unix.MS_REMOUNT|unix.MS_RDONLY|unix.MS_NOSUID|unix.MS_NODEV, "")
}

// hide covers what a container runtime covers. The machine is the command's own, so this
// protects nothing, but a command may expect it.
func hide(root string) {
	for _, p := range []string{"bus", "fs", "irq", "sys", "sysrq-trigger"} {
		p = root + "/proc/" + p
		if unix.Mount(p, p, "", unix.MS_BIND|unix.MS_REC, "") == nil {
			_ = unix.Mount("", p, "", unix.MS_BIND|unix.MS_REMOUNT|unix.MS_RDONLY|unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, "")
		}
	}
	for _, p := range []string{"kcore", "keys", "timer_list"} {
		_ = unix.Mount(root+"/dev/null", root+"/proc/"+p, "", unix.MS_BIND, "")
	}
	for _, p := range []string{"proc/acpi", "proc/scsi", "sys/firmware"} {
		_ = unix.Mount("tmpfs", root+"/"+p, "tmpfs", unix.MS_RDONLY, "")
	}
}
