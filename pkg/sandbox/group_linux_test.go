// SPDX-License-Identifier: MPL-2.0

package sandbox

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// delegated is a directory that looks like a slice of groups.
func delegated(t *testing.T, controllers string) (root, slice string) {
	t.Helper()
	root = t.TempDir()
	slice = filepath.Join(root, "user.slice/app.slice")
	fill(t, slice, "mine.scope/", "cgroup.subtree_control="+controllers)
	return root, slice
}

const self = "1:name=systemd:/\n0::/user.slice/app.slice/mine.scope\n"

func TestGroup(t *testing.T) {
	root, slice := delegated(t, "cpu memory pids\n")
	g, err := newGroup(root, self, 77, Limits{Memory: 1 << 20, PIDs: 100})
	if err != nil {
		t.Fatal(err)
	}
	if filepath.Dir(g.dir) != slice {
		t.Errorf("the group is %s", g.dir)
	}
	for name, want := range map[string]string{"pids.max": "164", "memory.max": "1048576", "cgroup.procs": "77"} {
		if b, err := os.ReadFile(filepath.Join(g.dir, name)); err != nil || string(b) != want {
			t.Errorf("%s is %q, %v", name, b, err)
		}
	}
	for _, tt := range []struct{ file, content, want string }{
		{"pids.events", "max 0\n", ""},
		{"memory.events", "low 3\nhigh 0\nmax 9\noom 1\noom_kill 0\n", ""},
		{"memory.events", "low 0\nmax 9\noom_kill 2\n", "more than 1048576 bytes"},
		{"pids.events", "max 1\n", "more than 100 processes"},
	} {
		fill(t, g.dir, tt.file+"="+tt.content)
		if got := g.exceeded(); !strings.Contains(got, tt.want) || tt.want == "" && got != "" {
			t.Errorf("%s %q: exceeded %q", tt.file, tt.content, got)
		}
	}
	// The kernel's own files do not prevent the removal of a group; here they would.
	if err := os.RemoveAll(g.dir); err != nil {
		t.Fatal(err)
	}
	fill(t, g.dir, "of-a-runtime/below/")
	fill(t, slice, "mine.scope/cgroup.procs=")
	if err := removeGroups(g.dir); err != nil {
		t.Error(err)
	}
	g.close()
	if b, err := os.ReadFile(filepath.Join(slice, "mine.scope/cgroup.procs")); err != nil || string(b) != "77" {
		t.Errorf("the first process is not moved back: %q, %v", b, err)
	}
}

func TestRlimitsWithinOwn(t *testing.T) {
	all := Limits{PIDs: 1 << 50, Memory: 1 << 62}.Rlimits()
	if len(all) != 2 {
		t.Fatalf("got %+v", all)
	}
	for _, l := range all {
		var own unix.Rlimit
		if err := unix.Getrlimit(l.Resource, &own); err != nil || l.Max > own.Max {
			t.Errorf("%s is %d, and this process's own is %d, %v", l.Name, l.Max, own.Max, err)
		}
	}
}

func TestNoGroup(t *testing.T) {
	for _, tt := range []struct{ controllers, self string }{
		{"cpu pids", self}, {"memory", self}, {"memory pids", "1:name=systemd:/\n"}, {"memory pids", "0::/\n"}, {"memory pids", "0::/elsewhere/x\n"},
	} {
		root, slice := delegated(t, tt.controllers)
		if g, err := newGroup(root, tt.self, 77, Limits{PIDs: 1}); err == nil {
			t.Errorf("%q, %q: group %s", tt.controllers, tt.self, g.dir)
		}
		if left, _ := filepath.Glob(filepath.Join(slice, "carosbuild-*")); len(left) > 0 {
			t.Errorf("left: %v", left)
		}
	}
	var none *group
	if over := none.exceeded(); over != "" {
		t.Errorf("exceeded %q", over)
	}
	none.close()
}
