// SPDX-License-Identifier: MPL-2.0

package sandbox

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// cgroupRoot is the mount point of control groups version 2.
const cgroupRoot = "/sys/fs/cgroup"

// groupSpare is how many processes and threads of this program and of a runtime may be in a
// command's group, besides the command's own.
const groupSpare = 64

// group is the control group (cgroups(7), version 2) of a command and all its processes: the
// kernel limits what they use together. A nil group limits nothing.
type group struct {
	Limits
	dir  string
	home string // original group of its first process
	pid  int
}

// newGroup makes a group for a process, beside the group of this process, which self names as
// /proc/self/cgroup does. That needs a parent with delegated controllers, such as the slices
// of a user's systemd.
func newGroup(root, self string, pid int, l Limits) (*group, error) {
	own := ""
	for line := range strings.Lines(self) {
		if path, ok := strings.CutPrefix(strings.TrimSpace(line), "0::"); ok {
			own = path
		}
	}
	if own == "" || own == "/" {
		return nil, errors.New("no group can be created beside the group of this process")
	}
	g := &group{Limits: l, home: filepath.Join(root, own), pid: pid}
	parent := filepath.Dir(g.home)
	control, err := os.ReadFile(filepath.Join(parent, "cgroup.subtree_control"))
	if err != nil {
		return nil, err
	}
	if f := strings.Fields(string(control)); !slices.Contains(f, "pids") || !slices.Contains(f, "memory") {
		return nil, fmt.Errorf("%s does not delegate pids and memory", parent)
	}
	if g.dir, err = os.MkdirTemp(parent, "carosbuild-"); err != nil {
		return nil, err
	}
	if l.PIDs > 0 {
		err = g.write("pids.max", l.PIDs+groupSpare)
	}
	if l.Memory > 0 {
		err = errors.Join(err, g.write("memory.max", l.Memory))
	}
	if err = errors.Join(err, g.write("cgroup.procs", int64(pid))); err != nil {
		return nil, errors.Join(err, os.Remove(g.dir))
	}
	return g, nil
}

func (g *group) write(name string, n int64) error {
	return os.WriteFile(filepath.Join(g.dir, name), []byte(strconv.FormatInt(n, 10)), 0o600)
}

// exceeded says which limit the kernel has enforced.
func (g *group) exceeded() string {
	switch {
	case g == nil:
		return ""
	case g.event("pids.events", "max") > 0:
		return g.ExceededBy(g.PIDs+1, 0)
	case g.event("memory.events", "oom_kill") > 0:
		return g.ExceededBy(0, g.Memory+1)
	}
	return ""
}

// event is how often an event has happened; 0 if that is not known.
func (g *group) event(file, name string) int64 {
	data, err := os.ReadFile(filepath.Join(g.dir, file))
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(data)) {
		if f := strings.Fields(line); len(f) == 2 && f[0] == name {
			n, _ := strconv.ParseInt(f[1], 10, 64)
			return n
		}
	}
	return 0
}

// close moves the first process back, if it still runs, kills the others and removes the
// group.
func (g *group) close() {
	if g == nil {
		return
	}
	// It fails if the process has ended, and on a kernel without cgroup.kill (before 5.14).
	_ = os.WriteFile(filepath.Join(g.home, "cgroup.procs"), []byte(strconv.Itoa(g.pid)), 0)
	_ = g.write("cgroup.kill", 1)
	for range 100 { // until they have died
		if err := removeGroups(g.dir); err == nil || errors.Is(err, fs.ErrNotExist) {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// removeGroups removes a group and the groups that a runtime has made in it.
func removeGroups(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if e.IsDir() {
			if err := removeGroups(filepath.Join(dir, e.Name())); err != nil {
				return err
			}
		}
	}
	return os.Remove(dir)
}
