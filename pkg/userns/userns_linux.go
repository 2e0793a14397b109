// SPDX-License-Identifier: MPL-2.0

package userns

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"strconv"
	"syscall"

	"github.com/carosio/carosbuild/pkg/sandbox"

	"github.com/carosio/carosbuild/pkg/remedy"
	"golang.org/x/sys/unix"
)

// How is a way in which the program is started again.
type How int

const (
	// Ranges has new user, mount and PID namespaces with the account's subordinate ids; for the
	// superuser, with its own ids.
	Ranges How = iota
	// OneID has the same namespaces with only uid and gid 0, which are the caller's.
	OneID
	// Plain has no namespaces. The inner program's ids and mounts are the caller's.
	Plain
	// oneIDShared and rangesShared are OneID and Ranges with the caller's process ids, for a
	// masked /proc, with which a PID namespace could not have its own.
	oneIDShared
	rangesShared
)

// shared is the same way with the caller's process ids.
func (h How) shared() (How, bool) {
	switch h {
	case OneID:
		return oneIDShared, true
	case Ranges:
		return rangesShared, true
	default:
		return h, false
	}
}

// ownPIDs reports whether the inner program is the first process of a PID namespace.
func (h How) ownPIDs() bool { return h == Ranges || h == OneID }

// mapped reports whether the outer program maps ranges of ids.
func (h How) mapped() bool { return h == Ranges || h == rangesShared }

// Entry says how to run the program again in the namespaces.
type Entry struct {
	Account Account
	How     How
	Args    []string // argv of the inner program, argv[0] included
	Env     []string
	Stdin   io.Reader
	Stdout  io.Writer
	Stderr  io.Writer
	// Foreground leaves the inner program in the caller's process group, so that it may use
	// the terminal.
	Foreground bool
	// Handover is what the inner program gets from ReadHandover; nil: nothing.
	Handover []byte
	// Trial ends the inner program once it has arrived, before it does anything.
	Trial bool
}

// Enter runs the program again (/proc/self/exe) as e.How says and waits for it. It forwards
// SIGINT, SIGTERM and SIGHUP. The inner process is killed when the caller dies. If it is the
// first process of a PID namespace, everything that it started ends with it; otherwise Enter
// kills the processes that it leaves behind. The result is the inner program's exit status,
// 128+N if signal N ended it.
//
// If the host refuses, the error is a remedy.Error, and the inner program has done nothing:
// another way may be tried.
func Enter(ctx context.Context, e Entry) (int, error) {
	status, err := enter(ctx, e)
	if how, ok := e.How.shared(); ok && errors.Is(err, errMasked) {
		e.How = how
		return enter(ctx, e)
	}
	return status, err
}

// enter is Enter in exactly one way.
func enter(ctx context.Context, e Entry) (int, error) {
	ids, err := e.idMap()
	if err != nil {
		return 0, err
	}
	// PDEATHSIG follows the thread that started the child.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	line, w, err := os.Pipe()
	if err != nil {
		return 0, fmt.Errorf("enter namespace: %w", err)
	}
	defer w.Close()
	r, report, err := os.Pipe()
	if err != nil {
		return 0, errors.Join(fmt.Errorf("enter namespace: %w", err), line.Close())
	}
	defer r.Close()
	cmd, err := e.command(ctx, line, report)
	if err != nil {
		return 0, errors.Join(err, line.Close(), report.Close())
	}
	if e.How.ownPIDs() {
		return e.run(ctx, cmd, ids, w, r)
	}
	others, err := adopt()
	if err != nil {
		return 0, errors.Join(fmt.Errorf("adopt processes that are left: %w", err), line.Close(), report.Close())
	}
	status, err := e.run(ctx, cmd, ids, w, r)
	return status, errors.Join(err, reapRest(others))
}

// run starts the inner program and waits for it. A byte to w tells the program that its ids are
// mapped; r reports whether it has arrived.
func (e *Entry) run(ctx context.Context, cmd *exec.Cmd, ids IDMap, w io.Writer, r io.Reader) (int, error) {
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	defer signal.Stop(signals)
	err := cmd.Start()
	for _, f := range cmd.ExtraFiles { // only the inner program keeps these
		f.Close()
	}
	if err != nil {
		return 0, refusal(err)
	}
	if e.How.mapped() {
		if err = ids.write(ctx, e.Account, cmd.Process.Pid); err == nil {
			_, err = w.Write([]byte{1})
		}
		if err != nil {
			return 0, errors.Join(explainAccount(e.Account, readPasswd(), err), cmd.Process.Kill(), ignoreExit(cmd.Wait()))
		}
	}
	stop := e.forward(cmd.Process, signals)
	defer stop()
	refused := awaitArrival(r)
	err = cmd.Wait()
	if refused != nil {
		return 0, refused
	}
	return sandbox.ExitStatus(err)
}

// idMap is the ids of the namespace, as far as this process has to map them.
func (e *Entry) idMap() (IDMap, error) {
	switch e.How {
	case Ranges, rangesShared:
		return rangesOf(e.Account)
	case OneID, oneIDShared, Plain:
		return IDMap{}, nil
	}
	return IDMap{}, fmt.Errorf("enter namespace: unknown way %d", e.How)
}

func rangesOf(a Account) (IDMap, error) {
	uids, gids := readIDs(a)
	ids, err := NewIDMap(a, uids, gids)
	return ids, explainAccount(a, readPasswd(), err)
}

// CheckIDs checks that an account has the subordinate ids that Ranges needs. The error is a
// remedy.Error.
func CheckIDs(a Account) error {
	_, err := rangesOf(a)
	return err
}

// command returns the inner program. It gets the descriptors lifeline, reporting and handover.
func (e *Entry) command(ctx context.Context, line, report *os.File) (*exec.Cmd, error) {
	cmd := exec.CommandContext(ctx, "/proc/self/exe")
	cmd.Args = e.Args
	cmd.Env = append(append([]string{}, e.Env...),
		"_CONTAINERS_USERNS_CONFIGURED=done",
		"_CONTAINERS_ROOTLESS_UID="+strconv.Itoa(e.Account.UID),
		"_CONTAINERS_ROOTLESS_GID="+strconv.Itoa(e.Account.GID),
		handoverVar+"=", trialVar+"=") // whatever the caller has set
	cmd.Stdin, cmd.Stdout, cmd.Stderr = e.Stdin, e.Stdout, e.Stderr
	cmd.ExtraFiles = []*os.File{line, report}
	if e.Handover != nil {
		f, err := memoryFile("handover", e.Handover)
		if err != nil {
			return nil, fmt.Errorf("enter namespace: %w", err)
		}
		cmd.ExtraFiles = append(cmd.ExtraFiles, f)
		cmd.Env = append(cmd.Env, handoverVar+"=1")
	}
	if e.Trial {
		cmd.Env = append(cmd.Env, trialVar+"=1")
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: !e.Foreground}
	stage := stagePlain
	if e.How != Plain {
		cmd.SysProcAttr.Cloneflags = unix.CLONE_NEWUSER | unix.CLONE_NEWNS
	}
	if e.How.ownPIDs() {
		cmd.SysProcAttr.Cloneflags |= unix.CLONE_NEWPID
	}
	switch e.How {
	case Ranges:
		stage = stageWait
	case rangesShared:
		stage = stageWaitShared
	case OneID, oneIDShared:
		stage = stageShared
		if e.How == OneID {
			stage = stageIn
		}
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: e.Account.UID, Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: e.Account.GID, Size: 1}}
	}
	cmd.Env = append(cmd.Env, stageVar+"="+stage)
	return cmd, nil
}

// forward passes signals on to the inner program until stop is called.
func (e *Entry) forward(inner *os.Process, signals <-chan os.Signal) (stop func()) {
	done := make(chan struct{})
	go func() {
		for {
			select {
			case s := <-signals:
				if !e.Foreground || s != syscall.SIGINT { // the terminal has told the group already
					_ = inner.Signal(s)
				}
			case <-done:
				return
			}
		}
	}()
	return func() { close(done) }
}

// write maps the ids of the process: with newuidmap and newgidmap, or directly for the
// superuser.
func (m IDMap) write(ctx context.Context, a Account, pid int) error {
	for _, t := range []struct {
		tool, file string
		ranges     []IDRange
	}{{"newuidmap", "uid_map", m.UIDs}, {"newgidmap", "gid_map", m.GIDs}} {
		if a.Root() {
			if err := os.WriteFile(fmt.Sprintf("/proc/%d/%s", pid, t.file), idLines(t.ranges), 0); err != nil {
				return &remedy.Error{
					Tried: "map ids of a user namespace as the superuser", Err: err,
					Cure: "run as an ordinary user who is listed in /etc/subuid and /etc/subgid",
				}
			}
			continue
		}
		path, err := exec.LookPath(t.tool)
		if err != nil {
			return &remedy.Error{Tried: t.tool + " is not installed", Cure: "as an administrator: apt-get install uidmap"}
		}
		out, err := exec.CommandContext(ctx, path, append([]string{strconv.Itoa(pid)}, idArgs(t.ranges)...)...).CombinedOutput()
		if err != nil {
			return &remedy.Error{
				Tried: fmt.Sprintf("%s: %s", t.tool, trim(out)), Err: err,
				Cure: "check that " + t.tool + " is setuid root (or has file capabilities) and that no_new_privs is not set",
			}
		}
	}
	return nil
}

// refusal explains why no user namespace could be made.
func refusal(err error) error {
	h := &remedy.Error{Tried: "make a user namespace", Err: err}
	switch {
	case sysctl("kernel/unprivileged_userns_clone") == "0":
		h.Cure = "as an administrator: sysctl kernel.unprivileged_userns_clone=1"
	case sysctl("kernel/apparmor_restrict_unprivileged_userns") == "1":
		h.Cure = "as an administrator: sysctl kernel.apparmor_restrict_unprivileged_userns=0"
	case sysctl("user/max_user_namespaces") == "0":
		h.Cure = "as an administrator: sysctl user.max_user_namespaces=10000"
	case errors.Is(err, unix.EPERM):
		h.Cure = "inside a container: a seccomp profile that permits clone, unshare and mount (seccomp=unconfined)"
	}
	return h
}

func sysctl(name string) string {
	b, err := os.ReadFile("/proc/sys/" + name)
	if err != nil {
		return ""
	}
	return trim(b)
}

func ignoreExit(err error) error {
	_, err = sandbox.ExitStatus(err)
	return err
}
