// SPDX-License-Identifier: MPL-2.0

package runc

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/carosio/carosbuild/pkg/sandbox"
)

// Run runs the step, waits for it, and kills every process that it left behind. The result is
// the command's exit status, 128+N if signal N ended it, 127 or 126 if it could not be executed,
// and 137 if it exceeded its limits, which a line on its standard error says. An error means
// that the sandbox could not be set up, or that ctx ended.
func (r *Runtime) Run(ctx context.Context, s sandbox.Command) (int, error) {
	if err := r.Emulate(ctx, s.Arch); err != nil {
		return 0, err
	}
	bundle, err := os.MkdirTemp(r.State, "bundle-")
	if err != nil {
		return 0, fmt.Errorf("bundle: %w", err)
	}
	defer os.RemoveAll(bundle)
	var held *holder
	if r.BoundProc {
		runtime.LockOSThread() // the holder ends with this thread
		defer runtime.UnlockOSThread()
		if held, err = hold(); err != nil {
			return 0, err
		}
		defer held.end()
	}
	spec, err := r.config(s, held.path())
	if err != nil {
		return 0, err
	}
	data, err := json.Marshal(spec)
	if err != nil {
		return 0, fmt.Errorf("bundle: %w", err)
	}
	if err := os.WriteFile(filepath.Join(bundle, "config.json"), data, 0o600); err != nil {
		return 0, fmt.Errorf("bundle: %w", err)
	}
	log := filepath.Join(bundle, "log")
	over, err := r.runBundle(ctx, s, held, bundle, log)
	if ctx.Err() != nil {
		return 0, ctx.Err()
	}
	status, err := sandbox.ExitStatus(err)
	if err != nil {
		return 0, fmt.Errorf("run %s: %w", filepath.Base(r.Path), err)
	}
	if over != "" {
		return sandbox.EndedByLimit(s.Stderr, over)
	}
	if status != 0 {
		if reason := runtimeError(log); reason != "" {
			return status, &sandbox.StartError{Reason: reason}
		}
	}
	return status, nil
}

// runBundle runs the runtime, and ends the step if it exceeds its limits; over is the limit.
func (r *Runtime) runBundle(ctx context.Context, s sandbox.Command, held *holder, bundle, log string) (over string, err error) {
	pidFile := filepath.Join(bundle, "pid")
	// Steps cannot use a keyring of their own: the calls are refused.
	cmd := exec.CommandContext(ctx, r.Path, "--root", filepath.Join(r.State, "run"), "--log", log, "--log-format", "json",
		"run", "--no-new-keyring", "--bundle", bundle, "--pid-file", pidFile, s.ID)
	cmd.Env = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "XDG_RUNTIME_DIR=" + r.State}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = s.Stdin, s.Stdout, s.Stderr
	kill := func() error { return killInit(pidFile, cmd.Process) }
	if held != nil {
		kill = held.kill
	}
	cmd.Cancel = kill
	cmd.WaitDelay = 5 * time.Second
	filter, err := outer(s.Network)
	if err != nil {
		return "", err
	}
	if err := start(cmd, filter); err != nil {
		return "", err
	}
	done := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		if over = s.Limits.Watch(pauser(pidFile), done, cmd.Process.Pid, held.pid()); over != "" {
			_ = kill()
		}
	})
	if held != nil {
		wg.Go(func() { held.endWithFirst(pidFile, done) })
	}
	err = cmd.Wait()
	close(done)
	wg.Wait()
	return over, err
}

// pauser stops and continues the process group that a step's first process leads.
func pauser(pidFile string) func(stop bool) {
	signals := map[bool]syscall.Signal{true: syscall.SIGSTOP, false: syscall.SIGCONT}
	return func(stop bool) {
		if pid, ok := readPID(pidFile); ok {
			_ = syscall.Kill(-pid, signals[stop])
		}
	}
}

// readPID reads the number of a step's first process, once the runtime has written it.
func readPID(pidFile string) (int, bool) {
	b, err := os.ReadFile(pidFile)
	if err != nil {
		return 0, false
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(b)))
	return pid, err == nil && pid > 1
}

// killInit kills the first process of the step's PID namespace, and with it all others; the
// runtime then ends by itself. A runtime may report that process late; if it does not within two
// seconds, the runtime is killed.
func killInit(pidFile string, process *os.Process) error {
	for range 200 {
		if pid, ok := readPID(pidFile); ok {
			return syscall.Kill(pid, syscall.SIGKILL)
		}
		if process.Signal(syscall.Signal(0)) != nil {
			return os.ErrProcessDone
		}
		time.Sleep(10 * time.Millisecond)
	}
	return process.Kill()
}

// runtimeError is the last error in the runtime's log, which has one only if the container did
// not start.
func runtimeError(log string) string {
	f, err := os.Open(log)
	if err != nil {
		return ""
	}
	defer f.Close()
	last := ""
	dec := json.NewDecoder(f)
	for {
		var line struct{ Level, Msg string }
		if err := dec.Decode(&line); err != nil {
			return last
		}
		if line.Level == "error" || line.Level == "fatal" {
			last = line.Msg
		}
	}
}
