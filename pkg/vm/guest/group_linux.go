// SPDX-License-Identifier: MPL-2.0

package guest

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/carosio/carosbuild/pkg/sandbox"
)

// groupsDir is the mount point of control groups version 2, outside the command's root.
const groupsDir = "/groups"

const (
	// groupGlance is how often the kernel is asked whether a limit was reached.
	groupGlance = 100 * time.Millisecond
	// groupSpare is how many tasks the machine needs besides those of the command.
	groupSpare = 64
)

// group is the control group (cgroups(7)) of the command and all its processes: the kernel
// limits what they use together.
type group struct {
	dir    *os.File
	limits sandbox.Limits
	memory int64 // of the machine, in bytes
}

// newGroup makes a group without limits: what becomes the command is first this program,
// with its own threads and memory.
func newGroup(l sandbox.Limits) (*group, error) {
	var info unix.Sysinfo_t
	if err := unix.Sysinfo(&info); err != nil {
		return nil, err
	}
	g := &group{limits: l, memory: int64(info.Totalram) * int64(info.Unit)}
	room := mostTasks() - int64(info.Procs) - groupSpare
	if l.PIDs == 0 || l.PIDs > room {
		g.limits.PIDs = room
	}
	if err := os.MkdirAll(groupsDir, 0o755); err != nil {
		return nil, err
	}
	if err := unix.Mount("cgroup2", groupsDir, "cgroup2", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, ""); err != nil {
		return nil, fmt.Errorf("mount control groups: %w", err)
	}
	if err := os.WriteFile(groupsDir+"/cgroup.subtree_control", []byte("+pids +memory"), 0); err != nil {
		return nil, fmt.Errorf("limit processes and memory: %w", err)
	}
	if err := os.Mkdir(groupsDir+"/step", 0o755); err != nil {
		return nil, err
	}
	var err error
	g.dir, err = os.Open(groupsDir + "/step")
	return g, err
}

// mostTasks is how many processes and threads the machine can have.
func mostTasks() int64 {
	most := int64(sandbox.DefaultPIDs)
	for _, name := range []string{"threads-max", "pid_max"} {
		data, err := os.ReadFile("/proc/sys/kernel/" + name)
		if err != nil {
			continue
		}
		if n, err := strconv.ParseInt(strings.TrimSpace(string(data)), 10, 64); err == nil {
			most = min(most, n)
		}
	}
	return most
}

// limit sets the limits, and says which of them is exceeded already.
func (g *group) limit() (over string, err error) {
	if err := g.write("pids.max", g.limits.PIDs); err != nil {
		return "", err
	}
	if g.limits.Memory > 0 {
		if err := g.write("memory.max", g.limits.Memory); err != nil {
			return "", err
		}
	}
	data, err := os.ReadFile(filepath.Join(g.dir.Name(), "pids.current"))
	if err != nil {
		return "", err
	}
	tasks, err := strconv.ParseInt(strings.TrimSpace(string(data)), 10, 64)
	return sandbox.Limits{PIDs: g.limits.PIDs}.ExceededBy(tasks, 0), err
}

func (g *group) write(name string, n int64) error {
	if err := os.WriteFile(filepath.Join(g.dir.Name(), name), []byte(strconv.FormatInt(n, 10)), 0); err != nil {
		return fmt.Errorf("limit of the step: %w", err)
	}
	return nil
}

// exceeded says which limit the kernel has enforced, "" for none.
func (g *group) exceeded() string {
	if g.event("pids.events", "max") > 0 {
		return g.limits.ExceededBy(g.limits.PIDs+1, 0)
	}
	if g.event("memory.events", "oom_kill") == 0 {
		return ""
	}
	if g.limits.Memory > 0 && g.limits.Memory < g.memory {
		return g.limits.ExceededBy(0, g.limits.Memory+1)
	}
	return fmt.Sprintf("it needed more memory than the %d MiB of its virtual machine; --step-memory asks for more", g.memory>>20)
}

// event is how often an event has happened, 0 if that is not known.
func (g *group) event(file, name string) int64 {
	data, err := os.ReadFile(filepath.Join(g.dir.Name(), file))
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

// watch calls end when a limit is exceeded. Stop is called after the command has ended, and
// says which limit it was.
func (g *group) watch(end func() error) (stop func() (over string, err error)) {
	done, result := make(chan struct{}), make(chan string, 1)
	first, err := g.limit()
	go func() {
		over := cmp.Or(first, g.exceeded())
		for over == "" && err == nil {
			select {
			case <-done:
				result <- g.exceeded()
				return
			case <-time.After(groupGlance):
				over = g.exceeded()
			}
		}
		if e := end(); !errors.Is(e, os.ErrProcessDone) {
			err = errors.Join(err, e)
		}
		result <- over
	}()
	return func() (string, error) {
		close(done)
		over := <-result // err is final then
		return over, err
	}
}
