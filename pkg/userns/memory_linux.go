// SPDX-License-Identifier: MPL-2.0

package userns

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// FreeMemory is how many bytes of memory this process may still use: what the host has
// available, or less if a control group has a limit.
func FreeMemory() (int64, error) {
	info, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return 0, fmt.Errorf("look for free memory: %w", err)
	}
	free := int64(-1)
	for line := range strings.Lines(string(info)) {
		if f := strings.Fields(line); len(f) > 1 && f[0] == "MemAvailable:" {
			kib, err := strconv.ParseInt(f[1], 10, 64)
			if err != nil {
				return 0, fmt.Errorf("look for free memory: %w", err)
			}
			free = kib << 10
		}
	}
	if free < 0 {
		return 0, fmt.Errorf("look for free memory: /proc/meminfo does not say")
	}
	groups, _ := os.ReadFile("/proc/self/cgroup") // without control groups there is no limit
	return max(min(free, groupRoom(cgroups, string(groups), free)), 0), nil
}

// groupRoom is how many of free bytes the limits of a process's control groups and their parents
// leave. root is the mount point of the hierarchies, groups the content of /proc/self/cgroup.
func groupRoom(root, groups string, free int64) int64 {
	for line := range strings.Lines(groups) {
		f := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(f) != 3 {
			continue
		}
		dir, limit, used := root, "memory.max", "memory.current"
		switch {
		case f[1] == "memory":
			dir, limit, used = filepath.Join(root, "memory"), "memory.limit_in_bytes", "memory.usage_in_bytes"
		case f[1] != "":
			continue
		}
		// In a container the path may be the host's, and the container's group the root.
		for at := filepath.Join("/", f[2]); ; at = filepath.Dir(at) {
			m, merr := number(filepath.Join(dir, at, limit))
			u, uerr := number(filepath.Join(dir, at, used))
			if merr == nil && uerr == nil {
				free = min(free, m-u)
			}
			if at == "/" {
				break
			}
		}
	}
	return free
}

func number(file string) (int64, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return 0, err
	}
	return strconv.ParseInt(trim(b), 10, 64)
}

// MountMemory mounts an empty tmpfs of at most size bytes on dir, which only this namespace
// sees: its contents vanish with the process.
func MountMemory(dir string, size int64) error {
	if err := unix.Mount("tmpfs", dir, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, "mode=700,size="+strconv.FormatInt(size, 10)); err != nil {
		return fmt.Errorf("mount %s in memory: %w", dir, err)
	}
	return nil
}
