// SPDX-License-Identifier: MPL-2.0

package guest

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/carosio/carosbuild/pkg/vm/wire"
	"golang.org/x/sys/unix"
)

// Main returns at once unless this process is the first process of a virtual machine, or the
// one that is to become the command. Then it does that work and does not return. Main
// functions call it before anything else.
func Main(args []string) {
	switch {
	case len(args) == 1 && args[0] == stepName && os.Getenv(stepVariable) == "1":
		become()
	case os.Getpid() == 1 && len(args) > 0 && args[0] == "/init":
		if _, err := os.Stat("/" + orderFile); err == nil {
			serve()
		}
	}
}

// The directory of the kernel's modules in the initial RAM disk, and a file with the order
// in which to load them.
const (
	modulesDir = "m"
	orderFile  = modulesDir + "/order"
)

// Mount points of the disks and of their trees.
const (
	rootDisk, rootOuter, rootDir       = "/dev/vda", "/disk", "/root"
	mountsDisk, mountsOuter, mountsDir = "/dev/vdb", "/more", "/mounts"
)

// serve does the machine's work.
func serve() {
	err := setUp()
	var port *os.File
	if err == nil {
		port, err = openPort()
	}
	if err == nil {
		err = session(wire.New(port))
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "carosbuild: guest: %v\n", err)
	}
	unix.Sync()
	_ = unix.Reboot(unix.LINUX_REBOOT_CMD_POWER_OFF)
	for {
		time.Sleep(time.Hour)
	}
}

// setUp mounts the kernel's file systems and loads the modules.
func setUp() error {
	unix.Umask(0)
	for _, m := range []struct{ target, kind string }{{"/dev", "devtmpfs"}, {"/proc", "proc"}, {"/sys", "sysfs"}} {
		if err := os.MkdirAll(m.target, 0o755); err != nil {
			return err
		}
		if err := unix.Mount(m.kind, m.target, m.kind, 0, ""); err != nil && err != unix.EBUSY {
			return fmt.Errorf("mount %s: %w", m.target, err)
		}
	}
	order, err := os.ReadFile("/" + orderFile)
	if err != nil {
		return err
	}
	for _, name := range strings.Fields(string(order)) {
		if err := load(filepath.Join("/"+modulesDir, name+".ko")); err != nil {
			fmt.Fprintf(os.Stderr, "carosbuild: guest: module %s: %v\n", name, err) // maybe not needed
		}
	}
	return nil
}

func load(file string) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := unix.FinitModule(int(f.Fd()), "", 0); err != nil && err != unix.EEXIST {
		return err
	}
	return nil
}

// deviceTime is how long a device may take to appear.
const deviceTime = 30 * time.Second

// await repeats try until a device is there.
func await(what string, try func() error) error {
	end := time.Now().Add(deviceTime)
	for {
		err := try()
		if err == nil {
			return nil
		}
		if time.Now().After(end) {
			return fmt.Errorf("%s did not appear: %w", what, err)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// openPort opens the serial port that leads to the host.
func openPort() (port *os.File, err error) {
	err = await("the port "+wire.Port, func() error {
		names, _ := filepath.Glob("/sys/class/virtio-ports/*/name")
		for _, name := range names {
			b, err := os.ReadFile(name)
			if err != nil || strings.TrimSpace(string(b)) != wire.Port {
				continue
			}
			// Blocking, so that the runtime's poller does not get it, which the driver wakes up only
			// once.
			fd, err := unix.Open(filepath.Join("/dev", filepath.Base(filepath.Dir(name))), unix.O_RDWR|unix.O_CLOEXEC, 0)
			if err != nil {
				return err
			}
			port = os.NewFile(uintptr(fd), name)
			return nil
		}
		return errors.New("no such port")
	})
	return port, err
}

// mountDisk mounts a disk without its journal, since nobody needs the disk after a crash,
// and mounts its tree on dir.
func mountDisk(device, outer, dir string, flags uintptr) error {
	if err := errors.Join(os.MkdirAll(outer, 0o755), os.MkdirAll(dir, 0o755)); err != nil {
		return err
	}
	err := await(device, func() error {
		_, err := os.Stat(device)
		return err
	})
	if err != nil {
		return err
	}
	if err := unix.Mount(device, outer, "ext4", unix.MS_NOATIME|flags, "noload,noinit_itable,errors=remount-ro"); err != nil {
		return fmt.Errorf("mount %s: %w", device, err)
	}
	if err := unix.Mount(outer+"/"+Top, dir, "", unix.MS_BIND, ""); err != nil {
		return fmt.Errorf("mount %s: %w", dir, err)
	}
	return nil
}

// unmountDisk unmounts a disk, so that everything is written to it.
func unmountDisk(outer, dir string) error { return errors.Join(unmount(dir), unmount(outer)) }

func unmount(dir string) error {
	for end := time.Now().Add(deviceTime); ; time.Sleep(5 * time.Millisecond) {
		err := unix.Unmount(dir, 0)
		if err == nil || err == unix.EINVAL || err == unix.ENOENT { // unmounted, or never mounted
			return nil
		}
		if err != unix.EBUSY || time.Now().After(end) { // busy while processes are being killed
			return fmt.Errorf("unmount %s: %w", dir, err)
		}
	}
}
