// SPDX-License-Identifier: MPL-2.0

package supervisor

import (
	"errors"
	"fmt"
	"os"
	"path"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/carosio/carosbuild/pkg/sandbox"
)

// Parts of /proc and /sys that are hidden from a step, and parts that it may only read, as in
// containers.
var (
	maskedPaths = []string{
		"/proc/acpi", "/proc/asound", "/proc/interrupts", "/proc/kcore", "/proc/keys", "/proc/latency_stats", "/proc/timer_list",
		"/proc/timer_stats", "/proc/sched_debug", "/proc/scsi", "/sys/firmware", "/sys/devices/virtual/powercap",
	}
	readOnlyPaths = []string{"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"}
)

// devices are the host's devices that a step has.
var devices = []string{"null", "zero", "full", "random", "urandom", "tty"}

// deviceLinks are the links in /dev, with their targets.
var deviceLinks = [][2]string{
	{"/proc/self/fd", "fd"}, {"/proc/self/fd/0", "stdin"}, {"/proc/self/fd/1", "stdout"}, {"/proc/self/fd/2", "stderr"}, {"pts/ptmx", "ptmx"},
}

const quiet = unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC

// root is a step's root before this process enters it.
type root int

// setUp sets up the step's root with its mounts, and enters it.
func setUp(c config) error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("make mounts private: %w", err)
	}
	if err := unix.Mount(c.Root, c.Root, "", unix.MS_BIND|unix.MS_REC, ""); err != nil {
		return fmt.Errorf("root %s: %w", c.Root, err)
	}
	fd, err := unix.Open(c.Root, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("root %s: %w", c.Root, err)
	}
	defer unix.Close(fd)
	r := root(fd)
	if err := r.mountProc(c.OwnPIDs); err != nil {
		return err
	}
	for what, f := range map[string]func() error{"/dev": r.mountDev, "/sys": r.mountSys} {
		if err := f(); err != nil {
			return fmt.Errorf("mount %s of the step: %w", what, err)
		}
	}
	if err := r.hide(); err != nil {
		return err
	}
	for _, m := range c.Mounts {
		if err := r.bind(m); err != nil {
			return fmt.Errorf("mount %s on %s: %w", m.Source, m.Target, err)
		}
	}
	if err := unix.Sethostname([]byte(sandbox.Hostname)); err != nil && !errors.Is(err, unix.EPERM) {
		return fmt.Errorf("host name: %w", err)
	}
	if c.NoNetwork() {
		if err := loopback(); err != nil {
			return fmt.Errorf("start the step's loopback: %w", err)
		}
	}
	return enter(fd)
}

// enter makes an open directory, which is a mount, this process's root.
func enter(fd int) error {
	if err := unix.Fchdir(fd); err != nil {
		return fmt.Errorf("enter the root: %w", err)
	}
	if err := unix.PivotRoot(".", "."); err != nil {
		return fmt.Errorf("enter the root: %w", err)
	}
	if err := unix.Unmount(".", unix.MNT_DETACH); err != nil {
		return fmt.Errorf("leave the old root: %w", err)
	}
	return os.Chdir("/")
}

// at opens a path in the root, without following links out of it, and calls f with a name
// for the open file.
func (r root) at(name string, f func(target string) error) error {
	fd, err := unix.Openat2(int(r), "./"+name, &unix.OpenHow{Flags: unix.O_PATH | unix.O_CLOEXEC, Resolve: unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_MAGICLINKS})
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return f(fdPath(fd))
}

// mount mounts a new file system.
func (r root) mount(kind, name string, flags uintptr, data string) error {
	return r.at(name, func(target string) error { return unix.Mount(kind, target, kind, flags, data) })
}

func (r root) mountProc(own bool) error {
	if !own {
		if err := r.at("proc", func(target string) error { return unix.Mount("/proc", target, "", unix.MS_BIND|unix.MS_REC, "") }); err != nil {
			return fmt.Errorf("mount /proc of the step: %w", err)
		}
		return nil
	}
	err := r.mount("proc", "proc", quiet, "")
	if errors.Is(err, unix.EPERM) {
		return fmt.Errorf("mount /proc of the step: %w: %w", errNoProc, err)
	}
	if err != nil {
		return fmt.Errorf("mount /proc of the step: %w", err)
	}
	return nil
}

func (r root) mountDev() error {
	if err := r.mount("tmpfs", "dev", unix.MS_NOSUID|unix.MS_STRICTATIME, "mode=755,size=65536k"); err != nil {
		return err
	}
	err := r.at("dev", func(dev string) error {
		for _, dir := range []string{"pts", "shm"} {
			if err := os.Mkdir(path.Join(dev, dir), 0o755); err != nil {
				return err
			}
		}
		for _, l := range deviceLinks {
			if err := os.Symlink(l[0], path.Join(dev, l[1])); err != nil {
				return err
			}
		}
		for _, name := range devices {
			if err := os.WriteFile(path.Join(dev, name), nil, 0o666); err != nil {
				return err
			}
			if err := unix.Mount("/dev/"+name, path.Join(dev, name), "", unix.MS_BIND, ""); err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	if err := r.mount("devpts", "dev/pts", unix.MS_NOSUID|unix.MS_NOEXEC, "newinstance,ptmxmode=0666,mode=0620"); err != nil {
		return fmt.Errorf("pts: %w", err)
	}
	return r.mount("tmpfs", "dev/shm", quiet, "mode=1777,size=65536k")
}

// mountSys mounts the host's /sys read-only, with everything that is mounted below it.
func (r root) mountSys() error {
	err := r.at("sys", func(target string) error { return unix.Mount("/sys", target, "", unix.MS_BIND|unix.MS_REC, "") })
	if errors.Is(err, unix.ENOENT) { // the host or the root has no /sys
		return nil
	}
	if err != nil {
		return err
	}
	return r.at("sys", func(target string) error {
		attr := unix.MountAttr{Attr_set: unix.MOUNT_ATTR_RDONLY}
		if err := unix.MountSetattr(unix.AT_FDCWD, target, unix.AT_RECURSIVE, &attr); err == nil {
			return nil
		}
		return readOnly(target)
	})
}

// readOnly makes one mount read-only and keeps its other flags, which a user namespace may
// not remove.
func readOnly(target string) error {
	var fs unix.Statfs_t
	if err := unix.Statfs(target, &fs); err != nil {
		return err
	}
	flags := uintptr(unix.MS_REMOUNT | unix.MS_BIND | unix.MS_RDONLY)
	for st, ms := range map[int64]uintptr{
		unix.ST_NOSUID: unix.MS_NOSUID, unix.ST_NODEV: unix.MS_NODEV, unix.ST_NOEXEC: unix.MS_NOEXEC,
		unix.ST_NOATIME: unix.MS_NOATIME, unix.ST_NODIRATIME: unix.MS_NODIRATIME, unix.ST_RELATIME: unix.MS_RELATIME,
	} {
		if int64(fs.Flags)&st != 0 {
			flags |= ms
		}
	}
	return unix.Mount("", target, "", flags, "")
}

// hide masks paths of /proc and /sys, and makes others read-only, as far as they exist.
func (r root) hide() error {
	for _, name := range maskedPaths {
		err := r.at(name, func(target string) error {
			st, err := os.Stat(target)
			if err != nil {
				return err
			}
			if st.IsDir() {
				return unix.Mount("tmpfs", target, "tmpfs", unix.MS_RDONLY|quiet, "size=4k,mode=555")
			}
			return unix.Mount("/dev/null", target, "", unix.MS_BIND, "")
		})
		if err != nil && !errors.Is(err, unix.ENOENT) {
			return fmt.Errorf("hide %s: %w", name, err)
		}
	}
	for _, name := range readOnlyPaths {
		err := r.at(name, func(target string) error { return unix.Mount(target, target, "", unix.MS_BIND|unix.MS_REC, "") })
		if err == nil {
			err = r.at(name, readOnly)
		}
		if err != nil && !errors.Is(err, unix.ENOENT) {
			return fmt.Errorf("make %s read-only: %w", name, err)
		}
	}
	return nil
}

// bind mounts a directory or file of the host.
func (r root) bind(m sandbox.Mount) error {
	target := strings.TrimPrefix(path.Clean("/"+m.Target), "/")
	if err := r.at(target, func(t string) error { return unix.Mount(m.Source, t, "", unix.MS_BIND, "") }); err != nil {
		return err
	}
	return r.at(target, func(t string) error {
		attr := unix.MountAttr{Attr_set: unix.MOUNT_ATTR_NOSUID | unix.MOUNT_ATTR_NODEV}
		if m.ReadOnly {
			attr.Attr_set |= unix.MOUNT_ATTR_RDONLY
		}
		err := unix.MountSetattr(unix.AT_FDCWD, t, 0, &attr)
		if err != nil && m.ReadOnly {
			return readOnly(t)
		}
		if errors.Is(err, unix.ENOSYS) || errors.Is(err, unix.EPERM) {
			return nil // devices and setuid do nothing here anyway: the namespace has no ids for them
		}
		return err
	})
}

// loopback starts the interface lo.
func loopback() error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	req, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	if err := unix.IoctlIfreq(fd, unix.SIOCGIFFLAGS, req); err != nil {
		return err
	}
	req.SetUint16(req.Uint16() | unix.IFF_UP)
	return unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, req)
}
