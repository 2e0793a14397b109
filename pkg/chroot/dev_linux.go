// SPDX-License-Identifier: MPL-2.0

package chroot

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/carosio/carosbuild/pkg/sandbox"
	"golang.org/x/sys/unix"
)

// devices are the nodes of /dev: major and minor number.
var devices = map[string][2]uint32{
	"null": {1, 3}, "zero": {1, 5}, "full": {1, 7}, "random": {1, 8}, "urandom": {1, 9}, "tty": {5, 0},
}

// links are links in /dev, as OCI runtimes make them. They lead nowhere without /proc: opening
// one fails, which is better than a file of that name.
var links = map[string]string{"fd": "/proc/self/fd", "stdin": "/proc/self/fd/0", "stdout": "/proc/self/fd/1", "stderr": "/proc/self/fd/2"}

// systemMounts makes the /dev, /proc and /sys of a step in scratch.
func systemMounts(scratch string) ([]sandbox.Mount, error) {
	var mounts []sandbox.Mount
	for _, name := range []string{"dev", "proc", "sys"} {
		dir := filepath.Join(scratch, "of-"+name)
		if err := os.Mkdir(dir, 0o755); err != nil {
			return nil, err
		}
		mounts = append(mounts, sandbox.Mount{Source: dir, Target: "/" + name})
	}
	dev := mounts[0].Source
	for name, n := range devices {
		if err := makeDevice(filepath.Join(dev, name), unix.Mkdev(n[0], n[1])); err != nil {
			return nil, err
		}
	}
	for name, target := range links {
		if err := os.Symlink(target, filepath.Join(dev, name)); err != nil {
			return nil, err
		}
	}
	for name, mode := range map[string]uint32{"pts": 0o755, "shm": 0o1777, "mqueue": 0o1777} {
		err := os.Mkdir(filepath.Join(dev, name), 0o755)
		if err = errors.Join(err, unix.Chmod(filepath.Join(dev, name), mode)); err != nil {
			return nil, err
		}
	}
	return mounts, nil
}

func makeDevice(path string, number uint64) error {
	if err := unix.Mknod(path, unix.S_IFCHR, int(number)); err != nil {
		return fmt.Errorf("make the device %s: %w", filepath.Base(path), err)
	}
	if err := unix.Chmod(path, 0o666); err != nil {
		return err
	}
	fd, err := unix.Open(path, unix.O_RDWR|unix.O_CLOEXEC|unix.O_NOCTTY|unix.O_NONBLOCK, 0)
	if err == nil {
		return unix.Close(fd)
	}
	if filepath.Base(path) == "tty" && err == unix.ENXIO { // no controlling terminal
		return nil
	}
	return fmt.Errorf("devices have no effect in %s (mounted nodev, or forbidden by the container): %w", filepath.Dir(path), err)
}
