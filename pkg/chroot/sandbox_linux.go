// SPDX-License-Identifier: MPL-2.0

package chroot

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"github.com/carosio/carosbuild/pkg/binfmt"
	"github.com/carosio/carosbuild/pkg/sandbox"
	"golang.org/x/sys/unix"
)

// Sandbox runs commands, each with its own keeper. The program's main calls Init first.
type Sandbox struct {
	scratch   string
	emulators binfmt.Emulators
}

// New returns a sandbox. Trials is a directory for trial programs. Scratch is a directory on
// the file system of the roots, so that caches need not be copied; "" is a root's parent.
func New(trials, scratch string) *Sandbox {
	return &Sandbox{scratch: scratch, emulators: binfmt.Emulators{Scratch: trials, HostOnly: true}}
}

// Emulate says what is missing for programs of an architecture. They run if the host has an
// emulator registered; this process cannot register one.
func (s *Sandbox) Emulate(ctx context.Context, arch string) error {
	return s.emulators.Emulate(ctx, arch)
}

// request tells a keeper what to do.
type request struct {
	Root, Scratch string
	Args, Env     []string
	Cwd           string
	UID, GID      uint32
	Groups        []uint32
	Mounts        []sandbox.Mount
	Network       sandbox.Network
	Limits        sandbox.Limits
	Terminal      bool
	Protected     []int // processes, and negative process groups, that the step cannot signal
}

// result is a keeper's report at its end.
type result struct {
	Status int
	Over   string // the limit that the step exceeded
	Start  string // why the command was not started
	Err    string // any other error
}

// grace is how long to wait for the output of processes that could not be killed.
const grace = 5 * time.Second

// Run implements engine.Sandbox: it runs the command, waits for it, and kills every process that
// it left behind. The result is the command's exit status, 128+N if signal N ended it; 137 if it
// exceeded its limits, which a line on its standard error says.
func (s *Sandbox) Run(ctx context.Context, c sandbox.Command) (int, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	if err := s.Emulate(ctx, c.Arch); err != nil {
		return 0, err
	}
	root, err := filepath.Abs(c.Root)
	if err != nil {
		return 0, fmt.Errorf("root: %w", err)
	}
	r := request{
		Root: root, Scratch: cmp.Or(s.scratch, filepath.Dir(root)), Args: c.Args, Env: c.Env, Cwd: cmp.Or(c.Cwd, "/"), UID: c.UID, GID: c.GID, Groups: c.Groups,
		Mounts: c.Mounts, Network: c.Network, Limits: c.Limits, Terminal: c.Terminal, Protected: []int{os.Getpid(), -unix.Getpgrp()},
	}
	if !c.Terminal {
		return r.run(ctx, c.Stdin, c.Stdout, c.Stderr)
	}
	return r.runOnTerminal(ctx, c)
}

func (r *request) run(ctx context.Context, stdin io.Reader, stdout, stderr io.Writer) (int, error) {
	k, err := startKeeper(r, stdin, stdout, stderr)
	if err != nil {
		return 0, fmt.Errorf("keeper of the step: %w", err)
	}
	stop := context.AfterFunc(ctx, func() { k.request.Close() }) // the keeper ends the step
	res, err := k.wait()
	stop()
	k.request.Close()
	switch {
	case ctx.Err() != nil && err == nil && res.Err == "":
		return 0, ctx.Err()
	case err != nil:
		return 0, errors.Join(ctx.Err(), err, killIn(r.Root))
	case res.Start != "":
		return 0, &sandbox.StartError{Reason: res.Start}
	case res.Err != "":
		return 0, errors.Join(ctx.Err(), errors.New(res.Err))
	}
	if res.Over != "" {
		return sandbox.EndedByLimit(stderr, res.Over)
	}
	return res.Status, nil
}

// keeperProcess is a keeper, as seen by the builder.
type keeperProcess struct {
	cmd     *exec.Cmd
	request *os.File // closing it ends the step
	result  *os.File
}

// startKeeper starts a process of this program. It has its own session, so that the terminal's
// signals do not reach it, and survives if this process is killed.
func startKeeper(r *request, stdin io.Reader, stdout, stderr io.Writer) (*keeperProcess, error) {
	requestR, requestW, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	resultR, resultW, err := os.Pipe()
	if err != nil {
		return nil, errors.Join(err, requestR.Close(), requestW.Close())
	}
	cmd := exec.Command("/proc/self/exe")
	cmd.Args, cmd.Env, cmd.Dir = []string{keeperName}, []string{}, "/"
	cmd.Stdin, cmd.Stdout, cmd.Stderr = stdin, stdout, stderr
	cmd.ExtraFiles = []*os.File{requestR, resultW}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	cmd.WaitDelay = grace
	err = cmd.Start()
	requestR.Close()
	resultW.Close()
	if err == nil {
		err = json.NewEncoder(requestW).Encode(r)
		if err != nil {
			err = errors.Join(err, cmd.Process.Kill(), cmd.Wait())
		}
	}
	if err != nil {
		requestW.Close()
		resultR.Close()
		return nil, err
	}
	return &keeperProcess{cmd: cmd, request: requestW, result: resultR}, nil
}

// wait waits for the keeper's end. An error means that it was killed or failed.
func (k *keeperProcess) wait() (result, error) {
	var res result
	err := json.NewDecoder(k.result).Decode(&res)
	k.result.Close()
	ended := k.cmd.Wait()
	if errors.Is(ended, exec.ErrWaitDelay) {
		ended = nil
	}
	if err == nil {
		return res, nil
	}
	return res, fmt.Errorf("the keeper of the step has died: %w", cmp.Or(ended, err))
}
