// SPDX-License-Identifier: MPL-2.0

package runc

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/carosio/carosbuild/pkg/userns"
	"github.com/carosio/carosbuild/pkg/userns/usernstest"
)

func init() {
	// masked PROGRAM...: enters namespaces as the superuser of a container with a masked /proc.
	programs["masked"] = func(args []string) int {
		var err error
		for _, dir := range []string{"/proc/acpi", "/proc/fs"} {
			if err = unix.Mount("tmpfs", dir, "tmpfs", unix.MS_RDONLY, ""); err == nil {
				break
			}
		}
		if err != nil {
			fmt.Println("mask /proc:", err)
			return 125
		}
		status, err := userns.Enter(context.Background(), userns.Entry{
			How: userns.Ranges, Args: append([]string{"test"}, args...), Env: os.Environ(), Stdout: os.Stdout, Stderr: os.Stderr,
		})
		if err != nil {
			fmt.Println("enter:", err)
		}
		return status
	}
}

// With a masked /proc, a step sees that /proc, has its own process ids, and leaves nothing.
func TestMaskedProc(t *testing.T) {
	for _, runtime := range []string{"runc", "crun"} {
		if _, err := exec.LookPath(runtime); err != nil {
			if os.Getenv("CAROSBUILD_REQUIRE_TOOLS") == "1" {
				t.Errorf("%s is not installed", runtime)
			}
			continue
		}
		for _, tt := range []struct {
			name, user, script, out string
			status                  int
		}{
			{"user", "web", "id", "uid=33(web) gid=44(web) groups=7(log)\n", 0},
			{"status", "", "exit 42", "", 42},
			{"own process ids", "", "[ $$ -lt 20 ] && echo few", "few\n", 0},
			{"cannot end what is outside", "", "kill -9 -1 2>/dev/null; kill -9 1; for p in /proc/[0-9]*; do kill -0 ${p#/proc/} 2>/dev/null && echo $p; done; true", "/proc/1\n", 0},
			{"itself in /proc", "", "cat /proc/self/comm; ls /proc/self/fd | busybox wc -l", "cat\n4\n", 0},
			{"no program outside", "", "for p in /proc/[0-9]*; do ls $p/root/ >/dev/null 2>&1 && busybox readlink $p/exe; done | busybox sort -u", "/bin/busybox\n", 0},
			{"background", "", "sleep 1000 & echo started", "started\n", 0},
			{"orphans", "", "(sleep 1000 & ) ; echo started", "started\n", 0},
		} {
			t.Run(runtime+", "+tt.name, func(t *testing.T) {
				t.Setenv("TEST_RUNTIME", runtime)
				start := time.Now()
				out, status := usernstest.Enter(t, "masked", "step", busyboxRoot(t), tt.user, tt.script)
				if out != tt.out || status != tt.status {
					t.Errorf("status %d, want %d; output %q, want %q", status, tt.status, out, tt.out)
				}
				if d := time.Since(start); d > time.Minute { // does not wait for processes that a step leaves
					t.Errorf("took %v", d)
				}
			})
		}
	}
}

// Limits count orphans, too.
func TestMaskedProcLimits(t *testing.T) {
	const bomb = "i=0; while [ $i -lt 280 ]; do (sleep 100 &); i=$((i+1)); done; sleep 100"
	start := time.Now()
	out, status := usernstest.Enter(t, "masked", "limited", busyboxRoot(t), "100", "0", bomb)
	if status != 137 || !strings.Contains(out, "more than 100 processes") || time.Since(start) > time.Minute {
		t.Errorf("status %d after %v: %.500q", status, time.Since(start), out)
	}
}

func TestMaskedProcCancel(t *testing.T) {
	t.Setenv("TEST_CANCEL", "1")
	out, _ := usernstest.Enter(t, "masked", "step", busyboxRoot(t), "", "sleep 60; echo late")
	if !strings.Contains(out, "context canceled") || strings.Contains(out, "late") {
		t.Errorf("output %q", out)
	}
}

// If the process that has entered is killed and cannot end anything itself, no process of the
// step remains, not even one that has left its session.
func TestMaskedProcKilled(t *testing.T) {
	const mark = "sleep\x004243"
	running := func() (pids []string) {
		files, _ := filepath.Glob("/proc/[0-9]*/cmdline")
		for _, f := range files {
			if b, err := os.ReadFile(f); err == nil && bytes.HasPrefix(b, []byte(mark)) {
				pids = append(pids, filepath.Base(filepath.Dir(f)))
			}
		}
		return pids
	}
	if root := os.Getenv("TEST_OUTER"); root != "" {
		go func() {
			for range 500 {
				if len(running()) == 2 {
					_ = unix.Kill(os.Getpid(), unix.SIGKILL)
				}
				time.Sleep(20 * time.Millisecond)
			}
			os.Exit(9)
		}()
		usernstest.Enter(t, "masked", "step", root, "", "busybox setsid sleep 4243 & sleep 4243")
		return
	}
	cmd := exec.CommandContext(t.Context(), "/proc/self/exe", "-test.run=^TestMaskedProcKilled$")
	cmd.Env = append(os.Environ(), "TEST_OUTER="+busyboxRoot(t))
	out, err := cmd.CombinedOutput()
	if cmd.ProcessState.ExitCode() != -1 {
		if os.Getenv("CAROSBUILD_REQUIRE_TOOLS") == "1" || cmd.ProcessState.ExitCode() == 9 {
			t.Fatalf("%v: %s", err, out)
		}
		t.Skip("no user namespace here")
	}
	for range 300 {
		if len(running()) == 0 {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Errorf("left: %v", running())
}
