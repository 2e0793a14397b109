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

// lifeline is the descriptor of a pipe whose other end only the outer process
// holds: one byte says that the ids are mapped, end of file that it is gone.
const lifeline = 3

// Entry says how to run the program again inside the namespaces.
type Entry struct {
	Account Account
	Args    []string // argv of the inner program, argv[0] included
	Env     []string
	Stdin   io.Reader
	Stdout  io.Writer
	Stderr  io.Writer
	// Foreground leaves the inner program in the caller's process group, so
	// that it may use the terminal.
	Foreground bool
	// Handover is what the inner program gets by ReadHandover; nil: nothing.
	Handover []byte
}

// Enter runs the program again (/proc/self/exe) in a new user, mount and PID
// namespace and waits for it. It forwards SIGINT, SIGTERM and SIGHUP. The inner
// process is the first of its PID namespace and is killed when the caller
// dies, and with it everything that it started. The result is the inner
// program's exit status, 128+N when signal N ended it. Errors are remedy.Errors
// where the host refuses.
func Enter(ctx context.Context, e Entry) (int, error) {
	uids, gids := readIDs(e.Account)
	ids, err := NewIDMap(e.Account, uids, gids)
	if err != nil {
		return 0, explainAccount(e.Account, readPasswd(), err)
	}
	// PDEATHSIG follows the thread that started the child.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()

	r, w, err := os.Pipe()
	if err != nil {
		return 0, fmt.Errorf("enter namespace: %w", err)
	}
	defer w.Close()
	cmd := exec.CommandContext(ctx, "/proc/self/exe")
	cmd.Args = e.Args
	cmd.Env = append(append([]string{}, e.Env...), stageVar+"=wait",
		"_CONTAINERS_USERNS_CONFIGURED=done",
		"_CONTAINERS_ROOTLESS_UID="+strconv.Itoa(e.Account.UID),
		"_CONTAINERS_ROOTLESS_GID="+strconv.Itoa(e.Account.GID))
	cmd.Stdin, cmd.Stdout, cmd.Stderr = e.Stdin, e.Stdout, e.Stderr
	cmd.ExtraFiles = []*os.File{r}
	if e.Handover != nil {
		f, err := memoryFile("handover", e.Handover)
		if err != nil {
			return 0, errors.Join(fmt.Errorf("enter namespace: %w", err), r.Close())
		}
		cmd.ExtraFiles = append(cmd.ExtraFiles, f)
		cmd.Env = append(cmd.Env, handoverVar+"=1")
	} else {
		cmd.Env = append(cmd.Env, handoverVar+"=") // whatever the caller has set
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: unix.CLONE_NEWUSER | unix.CLONE_NEWNS | unix.CLONE_NEWPID,
		Pdeathsig:  syscall.SIGKILL,
		Setpgid:    !e.Foreground,
	}
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	defer signal.Stop(signals)
	err = cmd.Start()
	for _, f := range cmd.ExtraFiles { // which the inner program alone keeps
		f.Close()
	}
	if err != nil {
		return 0, refusal(err)
	}
	if err := ids.write(ctx, e.Account, cmd.Process.Pid); err != nil {
		return 0, errors.Join(explainAccount(e.Account, readPasswd(), err), cmd.Process.Kill(), ignoreExit(cmd.Wait()))
	}
	if _, err := w.Write([]byte{1}); err != nil {
		return 0, errors.Join(fmt.Errorf("enter namespace: %w", err), cmd.Process.Kill(), ignoreExit(cmd.Wait()))
	}
	done := make(chan struct{})
	go func() {
		for {
			select {
			case s := <-signals:
				if !e.Foreground || s != syscall.SIGINT { // the terminal has told the group already
					_ = cmd.Process.Signal(s)
				}
			case <-done:
				return
			}
		}
	}()
	err = cmd.Wait()
	close(done)
	return sandbox.ExitStatus(err)
}

// write gives the process its ids: newuidmap and newgidmap, or directly for
// the superuser.
func (m IDMap) write(ctx context.Context, a Account, pid int) error {
	for _, t := range []struct {
		tool, file string
		ranges     []IDRange
	}{{"newuidmap", "uid_map", m.UIDs}, {"newgidmap", "gid_map", m.GIDs}} {
		if a.Root() {
			if err := os.WriteFile(fmt.Sprintf("/proc/%d/%s", pid, t.file), idLines(t.ranges), 0); err != nil {
				return &remedy.Error{
					Tried: "map ids of a user namespace as the superuser", Err: err,
					Cure: "run as an ordinary user that /etc/subuid and /etc/subgid list",
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
