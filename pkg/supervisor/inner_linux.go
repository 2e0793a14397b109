// SPDX-License-Identifier: MPL-2.0

package supervisor

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"runtime/debug"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/carosio/carosbuild/pkg/owner/record"
	"github.com/carosio/carosbuild/pkg/sandbox"
	"github.com/carosio/carosbuild/pkg/supervisor/creds"
	"github.com/carosio/carosbuild/pkg/supervisor/filter"
)

// Inner does the work of a process that Sandbox has started, if this is one: main calls it
// before anything else, and exits with the status.
func Inner(getenv func(string) string) (status int, inner bool) {
	stage := getenv(stageVar)
	switch {
	case stage == "":
		return 0, false
	case !genuine():
		fmt.Fprintf(os.Stderr, "%s is set in the environment, which only the program itself does: unset it\n", stageVar)
		return failed, true
	case stage == stageInit:
		return runInit(), true
	}
	return runStep(), true
}

// genuine reports whether Sandbox, or its supervisor, has started this process: then there is a
// file without a name.
func genuine() bool {
	var st unix.Stat_t
	return unix.Fstat(fdConfig, &st) == nil && st.Mode&unix.S_IFMT == unix.S_IFREG && st.Nlink == 0
}

// failed is the exit status of these processes themselves; that of the step is in the
// report.
const failed = 125

// runInit is the supervisor.
func runInit() int {
	// The death signal follows the thread that has started the child.
	runtime.LockOSThread()
	for _, fd := range []int{fdConfig, fdReport, fdTable} {
		unix.CloseOnExec(fd)
	}
	out := os.NewFile(fdReport, "report")
	r := report{}
	if c, err := readConfig(); err != nil {
		r.Error = err.Error()
	} else {
		r = supervise(c)
	}
	if err := json.NewEncoder(out).Encode(r); err != nil {
		return failed
	}
	return 0
}

// errNoProc says that the kernel refuses a /proc of the namespace's own.
var errNoProc = errors.New("no /proc of its own")

// supervise runs the step and reports.
func supervise(c config) report {
	if !c.OwnPIDs {
		if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
			return report{Error: fmt.Sprintf("inherit orphans: %v", err)}
		}
	}
	table, err := record.NewTable(os.NewFile(fdTable, "records"))
	if err != nil {
		return report{Error: err.Error()}
	}
	table.Alone()
	if c.Network == sandbox.ClosedNetwork {
		if err := join(c.NetNS); err != nil {
			return report{Error: err.Error()}
		}
	}
	f, err := startFirst(!c.OwnPIDs)
	if err != nil {
		return report{Error: err.Error()}
	}
	defer f.close()
	if err := setUp(c); err != nil { // the first process's root changes with this one's
		return report{Error: err.Error(), NoProc: errors.Is(err, errNoProc)}
	}
	unix.Umask(0)
	if c.Terminal {
		r, err := openTerminal()
		if err != nil {
			return report{Error: err.Error()}
		}
		defer r.close()
	}
	status, started, err := f.supervise(c, table)
	// While calls are still answered: afterwards the calls of the remaining processes would fail
	// until the kernel ends them.
	err = errors.Join(err, killDescendants())
	if err == nil {
		err = forgetGone(table)
	}
	if err != nil {
		return report{Error: err.Error(), Started: started}
	}
	return report{Status: status, Started: true}
}

// join moves this thread, and what it starts, to a network namespace.
func join(namespace string) error {
	fd, err := unix.Open(namespace, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("the step's network: %w", &os.PathError{Op: "open", Path: namespace, Err: err})
	}
	defer unix.Close(fd)
	if err := unix.Setns(fd, unix.CLONE_NEWNET); err != nil {
		return fmt.Errorf("join the step's network: %w", err)
	}
	return nil
}

// first is the step's first process, which becomes its program.
type first struct {
	pid    int
	socket int
	failed *os.File // pipe on which it reports an error
	ended  chan syscall.WaitStatus
}

// startFirst starts the first process, which has to be done in the old root: this program may
// need libraries. The process then waits for a byte. With newPIDs it starts a PID namespace
// without a /proc: the supervisor stays outside, where process ids match its /proc.
func startFirst(newPIDs bool) (*first, error) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("socket to the step: %w", err)
	}
	defer unix.Close(pair[1])
	r, w, err := os.Pipe()
	if err != nil {
		return nil, errors.Join(err, unix.Close(pair[0]))
	}
	defer w.Close()
	f := &first{socket: pair[0], failed: r, ended: make(chan syscall.WaitStatus, 1)}
	attr := syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setsid: true}
	if newPIDs {
		attr.Cloneflags = unix.CLONE_NEWPID
	}
	f.pid, err = syscall.ForkExec("/proc/self/exe", []string{"step"}, &syscall.ProcAttr{
		Env:   []string{stageVar + "=" + stageStep},
		Files: []uintptr{0, 1, 2, fdConfig, uintptr(pair[1]), w.Fd()},
		Sys:   &attr,
	})
	if err != nil {
		f.close()
		return nil, fmt.Errorf("start the step: %w", err)
	}
	go reap(f.pid, f.ended)
	if n, err := unix.Read(f.socket, make([]byte, 1)); n != 1 { // it has its libraries
		reason, _ := io.ReadAll(f.failed)
		f.close()
		return nil, fmt.Errorf("start the step: %w: %s", errors.Join(err, io.ErrUnexpectedEOF), reason)
	}
	return f, nil
}

func (f *first) close() {
	f.failed.Close()
	unix.Close(f.socket)
}

// proceed lets the first process go on.
func (f *first) proceed() error {
	if _, err := unix.Write(f.socket, []byte{1}); err != nil {
		return fmt.Errorf("start the step: %w", err)
	}
	return nil
}

// supervise answers the calls of all processes of the step, and waits for the first one.
func (f *first) supervise(c config, table *record.Table) (status int, started bool, err error) {
	if err := f.proceed(); err != nil {
		return 0, false, err
	}
	l, err := takeListener(f.socket)
	if err != nil {
		if reason, _ := io.ReadAll(f.failed); len(reason) > 0 {
			return 0, false, fmt.Errorf("%s", reason)
		}
		return 0, false, fmt.Errorf("take over the step's filter: %w", err)
	}
	s, err := newSupervisor(l, table, creds.New(c.UID, c.GID, c.Groups, c.Caps))
	if err != nil {
		return 0, false, err
	}
	own, err := thread(os.Getpid()).status()
	if err != nil {
		return 0, false, err
	}
	s.noNewPrivs = own.noNewPrivs
	if err := thread(f.pid).setLimit(creds.Base); err != nil {
		return 0, false, fmt.Errorf("pass credentials in RLIMIT_RTTIME (which must be unlimited): %w", err)
	}
	receivers := runtime.NumCPU() + 1
	runtime.GOMAXPROCS(receivers + 1) // no receiver waits for a Go processor
	debug.SetGCPercent(300)           // each answer leaves little garbage, and the heap is small
	broken, err := s.serve(receivers)
	if err != nil {
		return 0, false, err
	}
	if err := f.proceed(); err != nil {
		return 0, false, err
	}
	reason, err := io.ReadAll(f.failed)
	if err != nil || len(reason) > 0 {
		return 0, false, fmt.Errorf("%s", reason)
	}
	select {
	case err := <-broken:
		return 0, true, err
	case ws := <-f.ended:
		if ws.Signaled() {
			return 128 + int(ws.Signal()), true, nil
		}
		return ws.ExitStatus(), true, nil
	}
}

// reap waits for all children, and reports the end of the first.
func reap(first int, ended chan<- syscall.WaitStatus) {
	for {
		var ws syscall.WaitStatus
		pid, err := syscall.Wait4(-1, &ws, 0, nil)
		switch {
		case err == syscall.EINTR:
		case err != nil:
			return
		case pid == first:
			ended <- ws
		}
	}
}

// takeListener receives the listener from the process that has installed the filter.
func takeListener(socket int) (listener, error) {
	buf, oob := make([]byte, 1), make([]byte, unix.CmsgSpace(4))
	n, oobn, _, _, err := unix.Recvmsg(socket, buf, oob, unix.MSG_CMSG_CLOEXEC)
	if err != nil {
		return -1, err
	}
	if n == 0 {
		return -1, io.ErrUnexpectedEOF
	}
	messages, err := unix.ParseSocketControlMessage(oob[:oobn])
	if err != nil || len(messages) != 1 {
		return -1, fmt.Errorf("no descriptor was received: %v", err)
	}
	fds, err := unix.ParseUnixRights(&messages[0])
	if err != nil || len(fds) != 1 {
		return -1, fmt.Errorf("no descriptor was received: %v", err)
	}
	return listener(fds[0]), nil
}

// runStep becomes the step's first program. Errors are reported through a pipe.
func runStep() int {
	runtime.LockOSThread() // the filter applies to this thread, which calls execve
	for _, fd := range []int{fdConfig, fdSocket, fdFailed} {
		unix.CloseOnExec(fd)
	}
	err := become()
	_, _ = fmt.Fprint(os.NewFile(fdFailed, "failed"), err)
	return failed
}

// become returns only if the program cannot be executed.
func become() error {
	if _, err := unix.Write(fdSocket, []byte{1}); err != nil {
		return fmt.Errorf("the supervisor is gone: %w", err)
	}
	if err := wait(); err != nil {
		return err
	}
	c, err := readConfig()
	if err != nil {
		return err
	}
	if c.Terminal {
		if err := useTerminal(); err != nil {
			return err
		}
	}
	if err := os.Chdir(c.Cwd); err != nil {
		return fmt.Errorf("working directory %s: %w", c.Cwd, err)
	}
	path, err := lookPath(c.Args[0], c.Env)
	if err != nil {
		return err
	}
	archs, err := ownArchs()
	if err != nil {
		return err
	}
	allowed, err := allowedCalls()
	if err != nil {
		return err
	}
	program, err := filter.Program(filter.Options{Network: c.Network, Allowed: allowed}, archs...)
	if err != nil {
		return err
	}
	if err := c.restrict(); err != nil {
		return err
	}
	// From here on, until the supervisor answers, no call may be made that the filter passes
	// on.
	l, err := install(program)
	if err != nil {
		return err
	}
	if err := unix.Sendmsg(fdSocket, []byte{0}, unix.UnixRights(int(l)), nil, 0); err != nil {
		return fmt.Errorf("pass on the filter: %w", err)
	}
	if err := wait(); err != nil {
		return err
	}
	unix.Close(int(l))
	return &os.PathError{Op: "execute", Path: path, Err: syscall.Exec(path, c.Args, c.Env)}
}

// restrict drops from this process what the step's first program must not have.
func (c config) restrict() error {
	for n := range creds.Cap(64) {
		if c.Caps.Has(n) {
			continue
		}
		if err := unix.Prctl(unix.PR_CAPBSET_DROP, uintptr(n), 0, 0, 0); err != nil && err != unix.EINVAL { // beyond the last one
			return fmt.Errorf("drop capability %d: %w", n, err)
		}
	}
	unix.Umask(0o022)
	for _, l := range c.Limits.Rlimits() {
		if err := unix.Setrlimit(l.Resource, &unix.Rlimit{Cur: l.Max, Max: l.Max}); err != nil {
			return fmt.Errorf("limit %s: %w", l.Name, err)
		}
	}
	return nil
}

// wait waits for the supervisor's byte.
func wait() error {
	var b [1]byte
	for {
		n, err := unix.Read(fdSocket, b[:])
		switch {
		case n == 1:
			return nil
		case err != unix.EINTR:
			return fmt.Errorf("the supervisor is gone: %w", errors.Join(err, io.ErrUnexpectedEOF))
		}
	}
}
