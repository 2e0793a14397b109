// SPDX-License-Identifier: MPL-2.0

package supervisor

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/carosio/carosbuild/pkg/binfmt"
	"github.com/carosio/carosbuild/pkg/owner/record"
	"github.com/carosio/carosbuild/pkg/sandbox"
	"github.com/carosio/carosbuild/pkg/supervisor/creds"
)

// Sandbox runs commands under a supervisor. It is used inside a user namespace in which this
// process is uid 0 and has its own mount namespace; the program's main calls Inner. If
// programs of other architectures are to run, the Scratch of Emulators is a directory, too.
type Sandbox struct {
	State string     // directory for the records of roots, which outlive a command
	Table string     // file with the records of all roots instead; "" for one file per root in State
	Caps  creds.Caps // capabilities that a step may have; 0 is creds.Default

	binfmt.Emulators
	noProc atomic.Bool // steps cannot have their own /proc here
}

// Records are the owners of a root's files, used when the root is filled (Write, Preload)
// and when a layer is made of it (Stat).
func (s *Sandbox) Records(root string) (*record.Table, error) {
	return record.OpenTable(s.journal(root))
}

// Forget deletes the records of a root. It is called after the root is removed and before
// another takes its place.
func (s *Sandbox) Forget(root string) error {
	if s.Table != "" {
		return nil // inode numbers distinguish the roots
	}
	if err := os.Remove(s.journal(root)); err != nil && !os.IsNotExist(err) {
		return fmt.Errorf("delete the records of a root: %w", err)
	}
	return nil
}

func (s *Sandbox) journal(root string) string {
	if s.Table != "" {
		return s.Table
	}
	sum := sha256.Sum256([]byte(filepath.Clean(root)))
	return filepath.Join(s.State, "owners-"+hex.EncodeToString(sum[:8]))
}

// Run runs one command and waits for it, as engine.Sandbox specifies. The owners that it
// sets are in Records.
func (s *Sandbox) Run(ctx context.Context, cmd sandbox.Command) (int, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	if err := s.Emulate(ctx, cmd.Arch); err != nil {
		return 0, err
	}
	r, over, err := s.run(ctx, cmd, !s.noProc.Load())
	if err == nil && r.NoProc {
		s.noProc.Store(true)
		r, over, err = s.run(ctx, cmd, false)
	}
	switch {
	case ctx.Err() != nil:
		return 0, ctx.Err()
	case over != "":
		return sandbox.EndedByLimit(cmd.Stderr, over)
	case err != nil:
		return 0, err
	case r.Error != "" && r.Started:
		return 0, fmt.Errorf("run the step: %s", r.Error)
	case r.Error != "":
		return 0, &sandbox.StartError{Reason: r.Error}
	}
	return r.Status, nil
}

// run starts the supervisor and waits for its end. over is the limit for which the step was
// ended.
func (s *Sandbox) run(ctx context.Context, c sandbox.Command, ownPIDs bool) (r report, over string, err error) {
	caps := s.Caps
	if caps == 0 {
		caps = creds.Default
	}
	told, err := memoryFile(config{
		Root: c.Root, Args: c.Args, Env: c.Env, Cwd: c.Cwd, UID: c.UID, GID: c.GID, Groups: c.Groups, Mounts: c.Mounts,
		Network: c.Network, NetNS: c.NetNS, Terminal: c.Terminal, Caps: caps, OwnPIDs: ownPIDs, Limits: c.Limits,
	})
	if err != nil {
		return r, "", fmt.Errorf("start the supervisor: %w", err)
	}
	defer told.Close()
	table, err := os.OpenFile(s.journal(c.Root), os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return r, "", fmt.Errorf("records of the root: %w", err)
	}
	defer table.Close()
	in, out, err := os.Pipe()
	if err != nil {
		return r, "", fmt.Errorf("start the supervisor: %w", err)
	}
	defer in.Close()

	// PDEATHSIG follows the thread that started the child.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	cmd := exec.CommandContext(ctx, "/proc/self/exe")
	cmd.Args = []string{"supervisor"}
	cmd.Env = []string{stageVar + "=" + stageInit}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = c.Stdin, c.Stdout, c.Stderr
	cmd.ExtraFiles = []*os.File{told, out, table}
	cmd.WaitDelay = 5 * time.Second
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Cloneflags: unix.CLONE_NEWNS | unix.CLONE_NEWIPC | unix.CLONE_NEWUTS}
	if ownPIDs {
		cmd.SysProcAttr.Cloneflags |= unix.CLONE_NEWPID
	} else {
		cmd.Cancel = func() error { return killTree(cmd.Process) }
	}
	if c.Network != sandbox.HostNetwork && c.Network != sandbox.ClosedNetwork { // it joins a closed one itself
		cmd.SysProcAttr.Cloneflags |= unix.CLONE_NEWNET
	}
	err = cmd.Start()
	out.Close()
	if err != nil {
		return r, "", fmt.Errorf("start the supervisor: %w", err)
	}
	stop := watch(cmd, c.Limits)
	decoded := json.NewDecoder(in).Decode(&r)
	err = cmd.Wait()
	over = stop()
	if decoded != nil {
		return r, over, fmt.Errorf("the supervisor died, and the step with it: %w", errors.Join(err, decoded))
	}
	return r, over, nil
}

// watch kills the supervisor, and the step with it, when the step exceeds its limits.
func watch(cmd *exec.Cmd, limits sandbox.Limits) (stop func() (over string)) {
	done, over := make(chan struct{}), make(chan string, 1)
	go func() {
		exceeded := limits.Watch(nil, done, cmd.Process.Pid)
		if exceeded != "" {
			_ = cmd.Cancel()
		}
		over <- exceeded
	}()
	return func() string {
		close(done)
		return <-over
	}
}
