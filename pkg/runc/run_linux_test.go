// SPDX-License-Identifier: MPL-2.0

package runc

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/carosio/carosbuild/pkg/sandbox"
	"github.com/carosio/carosbuild/pkg/userns"
	"github.com/carosio/carosbuild/pkg/userns/usernstest"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

// busyboxRoot makes a root directory with a static busybox and little else.
func busyboxRoot(t *testing.T) string {
	t.Helper()
	path, err := exec.LookPath("busybox")
	if err != nil {
		if os.Getenv("CAROSBUILD_REQUIRE_TOOLS") == "1" {
			t.Fatal("busybox is not installed (package busybox-static)")
		}
		t.Skip("busybox is not installed (package busybox-static)")
	}
	root := t.TempDir()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string]string{
		"bin/busybox": string(data),
		"etc/passwd":  "root:x:0:0:root:/root:/bin/sh\nweb:x:33:44::/srv:/bin/sh\n",
		"etc/group":   "root:x:0:\nweb:x:44:\nlog:x:7:web,other\n",
	} {
		p := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, []byte(content), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, tool := range []string{"sh", "id", "env", "cat", "ls", "sleep", "mount", "true", "touch", "pwd", "unshare", "hostname"} {
		if err := os.Symlink("busybox", filepath.Join(root, "bin", tool)); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

var programs = map[string]func(args []string) int{}

func TestMain(m *testing.M) {
	Init()
	usernstest.Main(m, programs)
}

func init() {
	// limited ROOT PIDS MEMORY SCRIPT: runs a shell script with limits.
	programs["limited"] = func(args []string) int {
		scratch := filepath.Join(args[0], "..", "scratch")
		if err := userns.MountScratch(scratch); err != nil {
			fmt.Println(err)
			return 125
		}
		rt, err := FindRuntime("", scratch)
		if err != nil {
			fmt.Println(err)
			return 125
		}
		rt.BoundProc = !userns.OwnPIDs()
		if _, err := sandbox.Plant(args[0], nil, nil); err != nil {
			fmt.Println(err)
			return 125
		}
		c := sandbox.Command{ID: "t", Root: args[0], Args: []string{"/bin/sh", "-c", args[3]}, Cwd: "/", Env: []string{"PATH=/bin"}, Stdout: os.Stdout, Stderr: os.Stdout}
		fmt.Sscan(args[1]+" "+args[2], &c.Limits.PIDs, &c.Limits.Memory)
		status, err := rt.Run(context.Background(), c)
		if err != nil {
			fmt.Println("error:", err)
		}
		return status
	}
	// step ROOT USER SCRIPT [MOUNT]: runs a shell script as the user.
	programs["step"] = func(args []string) int {
		root, spec, script := args[0], args[1], args[2]
		scratch := filepath.Join(root, "..", "scratch")
		if err := userns.MountScratch(scratch); err != nil {
			fmt.Println(err)
			return 125
		}
		rt, err := FindRuntime(os.Getenv("TEST_RUNTIME"), scratch)
		if err != nil {
			fmt.Println(err)
			return 125
		}
		rt.BoundProc = !userns.OwnPIDs()
		u, err := sandbox.LookupUser(root, spec)
		if err != nil {
			fmt.Println(err)
			return 125
		}
		var mounts []sandbox.Mount
		if len(args) > 3 {
			mounts = []sandbox.Mount{{Source: args[3], Target: "/var/cache/x"}}
		}
		planted, err := sandbox.Plant(root, mounts, []byte("nameserver 127.0.0.1\n"))
		if err != nil {
			fmt.Println(err)
			return 125
		}
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		if os.Getenv("TEST_CANCEL") != "" {
			time.AfterFunc(300*time.Millisecond, cancel)
		}
		status, err := rt.Run(ctx, sandbox.Command{
			ID: "t", Root: root, Network: sandbox.HostNetwork, Args: []string{"/bin/sh", "-c", script}, Cwd: "/", Mounts: mounts,
			Env: []string{"PATH=/bin", "A=b c", "HOME=/root"}, UID: u.UID, GID: u.GID, Groups: u.Groups, Stdout: os.Stdout, Stderr: os.Stdout,
		})
		if err != nil {
			fmt.Println("error:", err)
		}
		if err := planted.Remove(root, func(path string) error {
			err := os.Remove(filepath.Join(root, path))
			if errors.Is(err, unix.ENOTEMPTY) {
				err = nil
			}
			return err
		}); err != nil {
			fmt.Println(err)
		}
		return status
	}
}

func TestRun(t *testing.T) {
	for _, runtime := range []string{"runc", "crun"} {
		t.Run(runtime, func(t *testing.T) {
			if _, err := exec.LookPath(runtime); err != nil {
				t.Skipf("%s is not installed", runtime)
			}
			t.Setenv("TEST_RUNTIME", runtime)
			testRun(t)
		})
	}
}

func testRun(t *testing.T) {
	for _, tt := range []struct {
		name, user, script string
		out                string
		status             int
	}{
		{"environment is what was given", "", "env | busybox sort", "A=b c\nHOME=/root\nPATH=/bin\nPWD=/\nSHLVL=1\n", 0},
		{"root", "", "id", "uid=0(root) gid=0(root)\n", 0},
		{"user with groups", "web", "id", "uid=33(web) gid=44(web) groups=7(log)\n", 0},
		{"ids", "5:6", "id -u; id -g", "5\n6\n", 0},
		{"status", "", "exit 42", "", 42},
		{"signal", "", "sh -c 'kill -9 $$'; exit $?", "Killed\n", 137},
		{"only the standard descriptors", "", "ls /proc/self/fd | busybox wc -l", "4\n", 0}, // ls's own on /proc/self/fd
		{"resolver", "", "cat /etc/resolv.conf", "nameserver 127.0.0.1\n", 0},
		{"dev mode", "", "busybox stat -c %a /dev", "755\n", 0},
		{"sys is read-only", "", "touch /sys/x 2>/dev/null || echo ro", "ro\n", 0},
		{"no mounting", "", "mount -t tmpfs x /bin 2>/dev/null || echo no", "no\n", 0},
		{"no namespaces", "", "unshare -U true 2>/dev/null || echo no", "no\n", 0},
		{"umask", "", "umask", "0022\n", 0},
		{"pid 1", "", "echo $$", "1\n", 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			root := busyboxRoot(t)
			old := unix.Umask(0o077) // the caller's, which must not affect the step
			out, status := usernstest.Enter(t, "step", root, tt.user, tt.script)
			unix.Umask(old)
			if diff := cmp.Diff(out, tt.out); diff != "" || status != tt.status {
				t.Errorf("status %d, want %d; output (-got +want):\n%s", status, tt.status, diff)
			}
		})
	}
}

// A fork bomb, or a step that uses too much memory, fails within seconds.
func TestLimits(t *testing.T) {
	const bomb = "i=0; while [ $i -lt 280 ]; do sleep 100 & i=$((i+1)); done; wait"
	const eater = "for i in 1 2 3 4 5 6 7 8; do sh -c 'x=$(busybox head -c 8000000 /dev/zero | busybox tr \"\\0\" x); sleep 100; true' & done; wait"
	for _, tt := range []struct{ name, pids, memory, script, want string }{
		{"processes", "100", "0", bomb, "more than 100 processes"},
		{"memory", "0", "40000000", eater, "more than 40000000 bytes"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			start := time.Now()
			out, status := usernstest.Enter(t, "limited", busyboxRoot(t), tt.pids, tt.memory, tt.script)
			if status != 137 || !strings.Contains(out, tt.want) || time.Since(start) > time.Minute { // a second on an idle machine; without the limit it would take longer
				t.Errorf("status %d after %v: %.500q", status, time.Since(start), out)
			}
		})
	}
	out, status := usernstest.Enter(t, "limited", busyboxRoot(t), "50", "100000000", "echo fine")
	if status != 0 || out != "fine\n" {
		t.Errorf("within the limits: status %d, %q", status, out)
	}
}

func TestRunLeavesNothing(t *testing.T) {
	root, cache := busyboxRoot(t), t.TempDir()
	out, status := usernstest.Enter(t, "step", root, "", "touch /var/cache/x/kept; sleep 1000 & echo started", cache)
	if out != "started\n" || status != 0 {
		t.Errorf("status %d, output %q", status, out)
	}
	for _, gone := range []string{"etc/resolv.conf", "var", "proc", "sys"} {
		if _, err := os.Lstat(filepath.Join(root, gone)); !os.IsNotExist(err) {
			t.Errorf("%s is left in the root (%v)", gone, err)
		}
	}
	if _, err := os.Lstat(filepath.Join(cache, "kept")); err != nil {
		t.Errorf("the cache did not keep its file: %v", err)
	}
}

func TestRunReplacedResolver(t *testing.T) {
	root := busyboxRoot(t)
	out, _ := usernstest.Enter(t, "step", root, "", "busybox rm /etc/resolv.conf && echo mine > /etc/resolv.conf")
	if out != "" {
		t.Errorf("output %q", out)
	}
	if b, err := os.ReadFile(filepath.Join(root, "etc/resolv.conf")); err != nil || string(b) != "mine\n" {
		t.Errorf("the step's own resolv.conf is %q, %v", b, err)
	}
}

func TestRunStartError(t *testing.T) {
	root := busyboxRoot(t)
	if err := os.Remove(filepath.Join(root, "bin/sh")); err != nil {
		t.Fatal(err)
	}
	out, status := usernstest.Enter(t, "step", root, "", "true")
	if !strings.Contains(out, "error: start the step:") || status == 0 {
		t.Errorf("status %d, output %q", status, out)
	}
}

func TestRunCancel(t *testing.T) {
	t.Setenv("TEST_CANCEL", "1")
	start := time.Now()
	out, _ := usernstest.Enter(t, "step", busyboxRoot(t), "", "sleep 60; echo late")
	if !strings.Contains(out, "context canceled") || strings.Contains(out, "late") {
		t.Errorf("output %q", out)
	}
	if d := time.Since(start); d > 20*time.Second {
		t.Errorf("took %v", d)
	}
}

// If the outer process is killed, no process of the step remains.
func TestKilledOuterProcess(t *testing.T) {
	if os.Getenv("TEST_OUTER") != "" {
		usernstest.Enter(t, "step", os.Getenv("TEST_OUTER"), "", "sleep 4242")
		return
	}
	root := busyboxRoot(t)
	cmd := exec.CommandContext(t.Context(), "/proc/self/exe", "-test.run=^TestKilledOuterProcess$")
	cmd.Env = append(os.Environ(), "TEST_OUTER="+root)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Wait()
	running := func() bool {
		dirs, _ := filepath.Glob("/proc/[0-9]*/cmdline")
		for _, d := range dirs {
			if b, err := os.ReadFile(d); err == nil && bytes.Contains(b, []byte("sleep\x004242")) {
				return true
			}
		}
		return false
	}
	waitFor := func(want bool) bool {
		for range 200 {
			if running() == want {
				return true
			}
			time.Sleep(20 * time.Millisecond)
		}
		return false
	}
	if !waitFor(true) {
		cmd.Process.Kill()
		if os.Getenv("CAROSBUILD_REQUIRE_TOOLS") == "1" {
			t.Fatal("the step did not start")
		}
		t.Skip("the step did not start here")
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if !waitFor(false) {
		t.Error("the step outlived the outer process")
	}
}

func TestStepsChangesAtMountPointsStay(t *testing.T) {
	// /var is made for the mount on /var/cache/x; resolv.conf is planted.
	for _, tt := range []struct{ name, script, want string }{
		{"nothing", "true", "nothing\nnothing\n"},
		{"owner", "busybox chown 33 /var", "33:0 755 true\nnothing\n"},
		{"group", "busybox chgrp 33 /var", "0:33 755 true\nnothing\n"},
		{"mode", "busybox chmod 700 /var", "0:0 700 true\nnothing\n"},
		{"a directory for the resolver's file", "busybox rm /etc/resolv.conf && busybox mkdir /etc/resolv.conf", "nothing\n0:0 755 true\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			root, cache := busyboxRoot(t), t.TempDir()
			if out, status := usernstest.Enter(t, "step", root, "", tt.script, cache); status != 0 {
				t.Fatalf("status %d, output %q", status, out)
			}
			got, _ := usernstest.Enter(t, "owner", filepath.Join(root, "var"), filepath.Join(root, "etc/resolv.conf"), filepath.Join(root, "var/cache"))
			// The last is a mount point that the step did not change.
			if diff := cmp.Diff(got, tt.want+"nothing\n"); diff != "" {
				t.Errorf("what the step made of its directories (-got +want):\n%s", diff)
			}
		})
	}
}

func init() {
	programs["owner"] = func(args []string) int {
		for _, name := range args {
			var st unix.Stat_t
			if err := unix.Lstat(name, &st); err != nil {
				fmt.Println("nothing")
				continue
			}
			fmt.Printf("%d:%d %o %v\n", st.Uid, st.Gid, st.Mode&0o7777, st.Mode&unix.S_IFMT == unix.S_IFDIR)
		}
		return 0
	}
}

func TestHostsFile(t *testing.T) {
	const hosts = "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n"
	for _, tt := range []struct{ name, before, script, want, after string }{
		{"planted", "", "cat /etc/hosts; hostname", hosts + "localhost\n", ""},
		{"the stage has one", "10.0.0.1 mine\n", "cat /etc/hosts", "10.0.0.1 mine\n", "10.0.0.1 mine\n"},
		{"the step extends it", "", "echo 10.0.0.1 more >> /etc/hosts", "", hosts + "10.0.0.1 more\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			root := busyboxRoot(t)
			file := filepath.Join(root, "etc/hosts")
			if tt.before != "" {
				if err := os.WriteFile(file, []byte(tt.before), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			out, _ := usernstest.Enter(t, "step", root, "", tt.script)
			if diff := cmp.Diff(out, tt.want); diff != "" {
				t.Errorf("in the step (-got +want):\n%s", diff)
			}
			after, err := os.ReadFile(file)
			if err != nil && !os.IsNotExist(err) {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(after), tt.after); diff != "" {
				t.Errorf("afterwards (-got +want):\n%s", diff)
			}
		})
	}
}

// killInit waits for a runtime that reports the first process late: otherwise the processes of
// the step would go on.
func TestKillInitWaits(t *testing.T) {
	start := func() *exec.Cmd {
		cmd := exec.CommandContext(t.Context(), "sleep", "60")
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		return cmd
	}
	first, runtime := start(), start()
	defer func() { _ = runtime.Process.Kill(); _ = runtime.Wait() }()
	pidFile := filepath.Join(t.TempDir(), "pid")
	if err := os.WriteFile(pidFile, nil, 0o600); err != nil { // created, but not written yet
		t.Fatal(err)
	}
	killed := make(chan error)
	go func() { killed <- killInit(pidFile, runtime.Process) }()
	time.Sleep(50 * time.Millisecond)
	if err := os.WriteFile(pidFile, []byte(strconv.Itoa(first.Process.Pid)+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := <-killed; err != nil {
		t.Error(err)
	}
	if err := first.Wait(); err == nil {
		t.Error("the first process ended by itself")
	}
	if err := runtime.Process.Signal(syscall.Signal(0)); err != nil {
		t.Errorf("the runtime was killed: %v", err)
	}
}
