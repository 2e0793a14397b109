// SPDX-License-Identifier: MPL-2.0

package guest

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/carosio/carosbuild/pkg/sandbox"
)

// A message says what the kernel has enforced, and distinguishes the machine's memory from a
// step's limit. A step that has exceeded a limit before it is set is ended at once.
func TestGroup(t *testing.T) {
	for _, c := range []struct {
		name                          string
		pids, memory                  int64
		current, pidEvents, memEvents string
		first, over                   string
	}{
		{"nothing", 5, 0, "1\n", "max 0\n", "oom 0\noom_kill 0\n", "", ""},
		{"processes", 5, 0, "5\n", "max 3\n", "oom_kill 0\n", "", "it had more than 5 processes and threads"},
		{"processes at once", 5, 0, "6\n", "max 0\n", "oom_kill 0\n", "it had more than 5 processes and threads", ""},
		{"memory", 5, 1 << 20, "1\n", "max 0\n", "max 9\noom_kill 1\n", "", "it used more than 1048576 bytes of memory"},
		{"memory of the machine", 5, 0, "1\n", "max 0\n", "oom_kill 1\n", "", "it needed more memory than the 256 MiB of its virtual machine; --step-memory asks for more"},
		{"more than the machine has", 5, 1 << 30, "1\n", "max 0\n", "oom_kill 1\n", "", "it needed more memory than the 256 MiB of its virtual machine; --step-memory asks for more"},
		{"an older kernel", 5, 0, "1\n", "", "", "", ""},
	} {
		dir := t.TempDir()
		for name, content := range map[string]string{"pids.current": c.current, "pids.events": c.pidEvents, "memory.events": c.memEvents} {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		f, err := os.Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		g := &group{dir: f, limits: sandbox.Limits{PIDs: c.pids, Memory: c.memory}, memory: 256 << 20}
		for _, name := range []string{"pids.max", "memory.max"} {
			if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if first, err := g.limit(); err != nil || first != c.first {
			t.Errorf("%s: at first %q, %v", c.name, first, err)
		}
		if got := g.exceeded(); got != c.over {
			t.Errorf("%s: %q, want %q", c.name, got, c.over)
		}
		ended := make(chan struct{}, 1)
		stop := g.watch(func() error { ended <- struct{}{}; return os.ErrProcessDone })
		if c.first+c.over != "" {
			<-ended
		}
		if over, err := stop(); err != nil || over != c.first+c.over {
			t.Errorf("%s: watched: %q, %v", c.name, over, err)
		}
	}
}
