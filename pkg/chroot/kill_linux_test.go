// SPDX-License-Identifier: MPL-2.0

package chroot

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/carosio/carosbuild/pkg/sandbox"
	"golang.org/x/sys/unix"
)

// inRoot lists the processes with a given root directory, and the step's keeper.
func inRoot(t *testing.T, root string) []string {
	t.Helper()
	links, err := filepath.Glob("/proc/[0-9]*/root")
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, link := range links {
		if at, err := os.Readlink(link); err == nil && at == root {
			name, _ := os.ReadFile(filepath.Join(filepath.Dir(link), "cmdline"))
			out = append(out, fmt.Sprintf("%s %q", filepath.Base(filepath.Dir(link)), name))
		}
	}
	return out
}

// gone fails if processes are still in a root after a while.
func gone(t *testing.T, root string) {
	t.Helper()
	var left []string
	for range 100 {
		if left = inRoot(t, root); len(left) == 0 {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Errorf("processes are left: %s", strings.Join(left, ", "))
	_ = killIn(root)
}

// Scripts that leave processes behind which hide or resist being killed.
var hostile = map[string]string{
	"daemon":            "(setsid env -i /bin/sh -c '(setsid /bin/sleep 1000 >/dev/null 2>&1 <&- &) ; true' &) ; true",
	"deaf":              "sh -c 'trap \"\" TERM INT HUP QUIT; while :; do sleep 0.1; done' & true",
	"stopped":           "sleep 1000 & kill -STOP $!; true",
	"another user":      "su -s /bin/sh web -c 'setsid sleep 1000 &' ; true",
	"each starts a new": "echo 'setsid sh /loop & sleep 0.01; setsid sh /loop &' > /loop; echo ': > /seen; exec sleep 1000' > /end; setsid sh /end & while ! [ -e /seen ]; do sleep 0.01; done",
	"two watch each other": "cat > /pair <<'E'\nwhile :; do setsid sh -c 'while :; do sleep 0.02; done' & wait $!; setsid sh /pair & done\nE\n" +
		"for i in 1 2 3 4; do setsid sh /pair & done; sleep 0.3",
	"a chain": "cat > /chain <<'E'\nn=$1\nsetsid sh /chain $((n+1)) &\nexit\nE\nfor i in 1 2 3; do sh /chain 0 & done; sleep 0.3",
	"a bomb":  "cat > /bomb <<'E'\ni=0; while [ $i -lt 140 ]; do setsid sh -c 'sleep 0.5; while :; do sleep 0.05 & wait $!; done' & i=$((i+1)); done\nE\nsh /bomb; sleep 0.2",
}

func TestKilledAtTheEnd(t *testing.T) {
	for name, script := range hostile {
		t.Run(name, func(t *testing.T) {
			root, start := busyboxRoot(t), time.Now()
			c := step(root, script+"; echo end; exit 3")
			status, out := run(t, c)
			if status != 3 || !strings.HasSuffix(out, "end\n") {
				t.Errorf("status %d: %q", status, out)
			}
			if left := inRoot(t, root); len(left) > 0 {
				t.Errorf("processes are left: %s", strings.Join(left, ", "))
				_ = killIn(root)
			}
			t.Logf("after %v", time.Since(start))
		})
	}
}

func TestKilledWithContext(t *testing.T) {
	for name, script := range hostile {
		t.Run(name, func(t *testing.T) {
			root := busyboxRoot(t)
			ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
			defer cancel()
			start := time.Now()
			if status, err := New(t.TempDir(), "").Run(ctx, step(root, script+"; sleep 1000")); err != context.DeadlineExceeded {
				t.Errorf("status %d, %v", status, err)
			}
			if d := time.Since(start); d > 10*time.Second {
				t.Errorf("took %v", d)
			}
			if left := inRoot(t, root); len(left) > 0 {
				t.Errorf("processes are left: %s", strings.Join(left, ", "))
				_ = killIn(root)
			}
		})
	}
}

// started waits until a step has started.
func started(t *testing.T, root string) {
	t.Helper()
	for range 500 {
		if _, err := os.Stat(filepath.Join(root, "begun")); err == nil {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatal("the step did not begin")
}

const lasting = "(setsid env -i /bin/sh -c 'while :; do /bin/sleep 0.1; done' &); touch /begun; sleep 1000"

// If the builder is killed, no process of the step remains, and the root and the cache are
// restored.
func TestKilledBuilder(t *testing.T) {
	if root := os.Getenv("TEST_BUILDER_ROOT"); root != "" {
		c := step(root, lasting)
		c.Mounts = []sandbox.Mount{{Source: os.Getenv("TEST_BUILDER_CACHE"), Target: "/mnt"}}
		_, _ = New(t.TempDir(), "").Run(t.Context(), c)
		return
	}
	root, cache := busyboxRoot(t), filepath.Join(t.TempDir(), "cache")
	if err := os.MkdirAll(filepath.Join(cache, "kept"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(root, "mnt"), 0o755); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "/proc/self/exe", "-test.run=^TestKilledBuilder$")
	cmd.Env = append(os.Environ(), "TEST_BUILDER_ROOT="+root, "TEST_BUILDER_CACHE="+cache)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	started(t, root)
	if _, err := os.Stat(filepath.Join(root, "mnt/kept")); err != nil {
		t.Errorf("the cache is not in the root: %v", err)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	gone(t, root)
	for range 100 {
		if names, _ := filepath.Glob(filepath.Join(filepath.Dir(root), ".carosbuild-step-*")); len(names) == 0 {
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	if _, err := os.Stat(filepath.Join(cache, "kept")); err != nil {
		t.Errorf("the cache has lost its content: %v", err)
	}
	if names, err := os.ReadDir(filepath.Join(root, "dev")); err != nil || len(names) > 0 {
		t.Errorf("/dev of the root has %v, %v", names, err)
	}
}

// If the keeper is killed, the first process dies with it, and the builder kills the others.
func TestKilledKeeper(t *testing.T) {
	root := busyboxRoot(t)
	go func() {
		for range 500 {
			if _, err := os.Stat(filepath.Join(root, "begun")); err == nil {
				break
			}
			time.Sleep(10 * time.Millisecond)
		}
		links, _ := filepath.Glob("/proc/[0-9]*/cmdline")
		for _, link := range links {
			if b, err := os.ReadFile(link); err == nil && bytes.Equal(b, []byte(keeperName+"\x00")) {
				pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(link)))
				if p, err := sandbox.ReadProcess(pid); err == nil && p.Parent == os.Getpid() {
					_ = unix.Kill(pid, unix.SIGKILL)
				}
			}
		}
	}()
	status, err := New(t.TempDir(), "").Run(t.Context(), step(root, lasting))
	if err == nil || !strings.Contains(err.Error(), "keeper") {
		t.Errorf("status %d, %v", status, err)
	}
	if left := inRoot(t, root); len(left) > 0 {
		t.Errorf("processes are left: %s", strings.Join(left, ", "))
		_ = killIn(root)
	}
}

// With a filter, a step cannot signal its keeper, its builder, or all processes. Signal 0 would
// do no harm if it did reach them: this test also runs outside containers.
func TestSignals(t *testing.T) {
	root := busyboxRoot(t)
	c := step(root, fmt.Sprintf("kill -0 -1 2>&1; kill -0 %d 2>&1; kill -0 $PPID 2>&1; echo alive", os.Getpid()))
	c.Network = sandbox.NoNetwork // always has a filter
	status, out := run(t, c)
	if status != 0 || !strings.HasSuffix(out, "alive\n") || strings.Count(out, "not permitted") != 3 {
		t.Errorf("status %d: %q", status, out)
	}
}

// All processes have the machine's root: killing those in it would kill all.
func TestKillInOwnRoot(t *testing.T) {
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink("/", link); err != nil {
		t.Fatal(err)
	}
	for _, root := range []string{"/", "/tmp/..", "/proc/self/root", link} {
		if err := refuseOwnRoot(root); err == nil {
			t.Errorf("processes in %s would be killed", root)
		}
	}
	if err := refuseOwnRoot(t.TempDir()); err != nil {
		t.Error(err)
	}
}

func TestLimits(t *testing.T) {
	// A shell executes the last command of -c in place of itself, and loses its memory.
	for _, tt := range []struct {
		name, script string
		limits       sandbox.Limits
		want         string
	}{
		{"processes", "i=0; while [ $i -lt 280 ]; do sleep 100 & i=$((i+1)); done; wait", sandbox.Limits{PIDs: 100}, "more than 100 processes"},
		{"processes in sessions of their own", "i=0; while [ $i -lt 280 ]; do setsid sleep 100 & i=$((i+1)); done; wait", sandbox.Limits{PIDs: 100}, "more than 100 processes"},
		{"memory together", "for i in 1 2 3 4 5 6 7 8; do sh -c 'x=$(head -c 2000000 /dev/zero | tr \"\\0\" x); sleep 100; true' & done; wait", sandbox.Limits{Memory: 10 << 20}, "more than 10485760 bytes"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			root, start := busyboxRoot(t), time.Now()
			c := step(root, tt.script)
			c.Limits = tt.limits
			status, out := run(t, c)
			if status != 137 || !strings.Contains(out, tt.want) || time.Since(start) > time.Minute { // a second on an idle machine; without the limit it would take longer
				t.Errorf("status %d after %v: %.500q", status, time.Since(start), out)
			}
			if left := inRoot(t, root); len(left) > 0 {
				t.Errorf("processes are left: %s", strings.Join(left, ", "))
				_ = killIn(root)
			}
		})
	}
}
