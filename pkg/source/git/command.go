// SPDX-License-Identifier: MPL-2.0

package git

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strconv"
	"time"
)

// command is one run of git.
type command struct {
	args   []string
	dir    string      // working directory; "" means /
	env    []string    // in addition to the host's
	config [][2]string // in addition to fixedSettings; overrides every file
	stdin  io.Reader
	lock   *os.File  // lock of the files that git changes: held as long as any of its processes lives
	remote string    // set for commands that talk to a server: they end if it is silent too long
	out    io.Writer // nil means that output is returned
	heard  *string   // gets git's messages on stderr, except for counters
}

// maxOutput is larger than a list of any repository's refs or files, in bytes.
const maxOutput = 256 << 20

// stopTime is how long a git that has been told to end may take to clean up.
const stopTime = 3 * time.Second

// errStalled is the reason for ending a command that was silent too long.
var errStalled = errors.New("stalled")

// fixedSettings disable hooks, helpers and housekeeping in every command.
func (c *Cache) fixedSettings() [][2]string {
	set := [][2]string{
		{"core.hooksPath", "/dev/null"},
		{"core.attributesFile", "/dev/null"},
		{"core.excludesFile", "/dev/null"},
		{"core.fsmonitor", "false"},
		{"core.autocrlf", "false"},
		{"gc.auto", "0"},
		{"maintenance.auto", "false"},
		{"fetch.unpackLimit", "1"}, // packs appear by rename, whereas objects written one by one may be incomplete
		{"fetch.fsckObjects", "false"},
		{"transfer.fsckObjects", "false"},
		{"fetch.writeCommitGraph", "false"},
		{"submodule.recurse", "false"},
		{"fetch.recurseSubmodules", "false"},
		{"credential.interactive", "false"},
		{"http.lowSpeedLimit", "1"},
		{"http.lowSpeedTime", strconv.Itoa(max(1, int(c.stall().Seconds())))},
		{"protocol.allow", "never"},
	}
	for _, t := range slices.Concat(transports, c.Allow) {
		set = append(set, [2]string{"protocol." + t + ".allow", "always"})
	}
	return set
}

// git runs a command and returns its output. Its processes end with ctx.
func (c *Cache) git(ctx context.Context, cmd command) ([]byte, error) {
	h, err := c.onHost(ctx)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	stderr := &listener{cache: c, url: cmd.remote}
	out := &limited{left: maxOutput}
	x := exec.CommandContext(ctx, h.program, cmd.args...)
	x.Dir, x.Stdin, x.Stdout, x.Stderr = cmd.dir, cmd.stdin, out, stderr
	if x.Dir == "" {
		x.Dir = "/"
	}
	if cmd.out != nil {
		x.Stdout = cmd.out
	}
	x.ExtraFiles = []*os.File{h.config}
	if cmd.lock != nil {
		x.ExtraFiles = append(x.ExtraFiles, cmd.lock)
	}
	x.Env = slices.Concat(h.env, []string{"GIT_CONFIG_GLOBAL=/proc/self/fd/3"}, settingsEnv(slices.Concat(c.fixedSettings(), cmd.config)), cmd.env)
	inGroup(x)
	x.WaitDelay = stopTime
	if cmd.remote != "" {
		stderr.timer = time.AfterFunc(c.stall(), func() { cancel(errStalled) })
		stderr.stall = c.stall()
		defer stderr.timer.Stop()
	}
	runtime.LockOSThread() // the death signal comes from the thread that starts the program
	err = x.Run()
	runtime.UnlockOSThread()
	if ctx.Err() != nil && x.Process != nil {
		killGroup(x.Process.Pid) // children that are still running; usually there are none
	}
	if cmd.heard != nil {
		*cmd.heard = stderr.text()
	}
	return out.buf.Bytes(), c.failure(ctx, cmd, stderr, err)
}

// failure explains why a command failed.
func (c *Cache) failure(ctx context.Context, cmd command, stderr *listener, err error) error {
	cause := context.Cause(ctx)
	switch {
	case errors.Is(cause, errStalled):
		return &NetworkError{URL: redact(cmd.remote), Text: fmt.Sprintf("the server was silent for %v", c.stall())}
	case cause != nil:
		return cause
	case err == nil:
		return nil
	}
	text := stderr.text()
	if text == "" {
		text = err.Error()
	}
	if cmd.remote != "" {
		return &NetworkError{URL: redact(cmd.remote), Text: text}
	}
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		return fmt.Errorf("run git %s: %w", cmd.args[0], err)
	}
	return &gitError{cmd.args[0], text}
}

// settingsEnv passes settings to git in its environment, so that lists of processes
// do not show them.
func settingsEnv(set [][2]string) []string {
	env := []string{"GIT_CONFIG_COUNT=" + strconv.Itoa(len(set))}
	for i, kv := range set {
		env = append(env, fmt.Sprintf("GIT_CONFIG_KEY_%d=%s", i, kv[0]), fmt.Sprintf("GIT_CONFIG_VALUE_%d=%s", i, kv[1]))
	}
	return env
}

// limited accepts up to left bytes.
type limited struct {
	buf  bytes.Buffer
	left int
}

func (l *limited) Write(p []byte) (int, error) {
	if l.left -= len(p); l.left < 0 {
		return 0, errors.New("git's output is too long")
	}
	return l.buf.Write(p)
}
