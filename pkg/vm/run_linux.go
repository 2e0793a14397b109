// SPDX-License-Identifier: MPL-2.0

package vm

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/carosio/carosbuild/pkg/sandbox"
	"github.com/carosio/carosbuild/pkg/vm/cow"
	"github.com/carosio/carosbuild/pkg/vm/nbd"
	"github.com/carosio/carosbuild/pkg/vm/wire"
)

// Job is a command for a machine of its own.
type Job struct {
	Root    *cow.Device
	Mounts  *cow.Device // nil: none
	Request wire.Request
	Stdin   io.Reader // nil: empty
	Stdout  io.Writer // nil: discarded
	Stderr  io.Writer
	Resize  <-chan wire.Window // nil: never
}

// Run starts a machine for a command, once there is room for one, and waits until the command
// has ended, the processes that it left behind have been killed, and the disks are written.
// An error means that the command was not started, or that ctx has ended: the machine is gone
// then, too.
func (m *Machine) Run(ctx context.Context, j Job) (wire.Result, error) {
	if err := ctx.Err(); err != nil {
		return wire.Result{}, err
	}
	leave, err := m.enter(ctx)
	if err != nil {
		return wire.Result{}, err
	}
	defer leave()
	return m.attempt(ctx, j)
}

// once runs a job in a machine. The error is a stillbornError if the machine ended before its
// guest sent anything.
func (m *Machine) once(ctx context.Context, j Job, accel string) (wire.Result, error) {
	p, err := m.start(j, accel)
	if err != nil {
		return wire.Result{}, err
	}
	stop := context.AfterFunc(ctx, p.kill)
	defer stop()
	within := m.bootTime(accel)
	timer := time.AfterFunc(within, p.kill)
	s := &session{Conn: wire.New(p.port), job: j, ready: func() { timer.Stop() }, gone: make(chan struct{})}
	res, err := s.run()
	inTime := timer.Stop() || s.started
	p.kill()
	ended := p.wait()
	switch {
	case ctx.Err() != nil:
		return wire.Result{}, ctx.Err()
	case inTime && err == nil && res.Error != "":
		return res, &sandbox.StartError{Reason: res.Error}
	case inTime && err == nil:
		return res, errors.Join(j.Root.Err(), ended)
	}
	if e := errors.Join(j.Root.Err(), ended); e != nil {
		err = e
	}
	if !inTime {
		err = &stillbornError{within: within, err: err}
	} else if !s.started {
		err = &stillbornError{err: err}
	}
	return wire.Result{}, &MachineError{Err: err, Console: p.console.String()}
}

// enter waits until another machine may run.
func (m *Machine) enter(ctx context.Context) (leave func(), err error) {
	if m.slots == nil {
		return func() {}, nil
	}
	select {
	case m.slots <- struct{}{}:
		return func() { <-m.slots }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// MachineError says that a machine failed, with the end of its console output.
type MachineError struct {
	Err     error
	Console string
}

func (e *MachineError) Error() string {
	if e.Console == "" {
		return "virtual machine: " + e.Err.Error()
	}
	return fmt.Sprintf("virtual machine: %v; the end of its console:\n%s", e.Err, e.Console)
}

// Unwrap returns the reason.
func (e *MachineError) Unwrap() error { return e.Err }

// process is a running QEMU.
type process struct {
	cmd     *exec.Cmd
	port    net.Conn
	console tail
	disks   []net.Conn
	serve   sync.WaitGroup
	errs    []error // from the disks
	started chan error
	ended   chan struct{}
}

// start starts QEMU. QEMU dies with this process, and communicates through connections that
// nobody else can open.
func (m *Machine) start(j Job, accel string) (*process, error) {
	initrd, err := m.initrdFile(j.Request.Emulate)
	if err != nil {
		return nil, err
	}
	p := &process{started: make(chan error), ended: make(chan struct{})}
	devices := []*cow.Device{j.Root}
	if j.Mounts != nil {
		devices = append(devices, j.Mounts)
	}
	var theirs []*os.File
	fail := func(err error) (*process, error) {
		for _, f := range theirs {
			f.Close()
		}
		p.close()
		return nil, err
	}
	for i := range 1 + len(devices) {
		ours, their, err := pair()
		if err != nil {
			return fail(err)
		}
		theirs = append(theirs, their)
		if i == 0 {
			p.port = ours
		} else {
			p.disks = append(p.disks, ours)
		}
	}
	p.cmd = exec.Command(m.QEMU, m.arguments(accel, initrd, len(devices), j.Request.Network)...)
	p.cmd.Env, p.cmd.Dir = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "TMPDIR=" + m.dir}, m.dir
	p.cmd.Stdout, p.cmd.Stderr = &p.console, &p.console
	p.cmd.ExtraFiles = theirs
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
	go p.run()
	if err := <-p.started; err != nil {
		return fail(fmt.Errorf("start %s: %w", m.QEMU, err))
	}
	for _, f := range theirs {
		f.Close()
	}
	p.errs = make([]error, len(devices))
	for i, d := range devices {
		p.serve.Go(func() { p.errs[i] = nbd.Serve(p.disks[i], d) })
	}
	return p, nil
}

// run starts the process and waits for it, on one thread: the thread's end would kill it.
func (p *process) run() {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	err := p.cmd.Start()
	p.started <- err
	if err == nil {
		_ = p.cmd.Wait() // it is killed
		p.port.Close()
		close(p.ended)
	}
}

func (p *process) kill() { _ = p.cmd.Process.Kill() }

// wait waits until the process has ended and its disks are no longer used.
func (p *process) wait() error {
	<-p.ended
	p.close()
	p.serve.Wait()
	return errors.Join(p.errs...)
}

func (p *process) close() {
	for _, c := range append(p.disks, p.port) {
		if c != nil {
			c.Close()
		}
	}
}

// pair makes a connection: our end and the end for another process.
func pair() (net.Conn, *os.File, error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, err
	}
	ours, theirs := os.NewFile(uintptr(fds[0]), "machine"), os.NewFile(uintptr(fds[1]), "machine")
	conn, err := net.FileConn(ours)
	ours.Close()
	if err != nil {
		theirs.Close()
		return nil, nil, err
	}
	return conn, theirs, nil
}

// tail keeps the end of what is written to it.
type tail struct {
	mu sync.Mutex
	b  []byte
}

const tailSize = 4 << 10

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.b = append(t.b, p...)
	if len(t.b) > 2*tailSize {
		t.b = append(t.b[:0], t.b[len(t.b)-tailSize:]...)
	}
	return len(p), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return strings.TrimSpace(string(t.b[max(len(t.b)-tailSize, 0):]))
}

// session is the communication with a guest.
type session struct {
	*wire.Conn
	job     Job
	ready   func()
	started bool
	taken   chan struct{}
	gone    chan struct{} // closed when nobody needs input any more
	mu      sync.Mutex    // held while sending
}

func (s *session) run() (wire.Result, error) {
	defer close(s.gone)
	var res wire.Result
	for {
		kind, payload, err := s.Receive()
		if err != nil {
			if errors.Is(err, io.EOF) || errors.Is(err, net.ErrClosed) {
				err = errors.New("it ended before the command")
			}
			return res, err
		}
		switch kind {
		case wire.Ready:
			s.ready()
			s.started = true
			if err := s.begin(); err != nil {
				return res, err
			}
		case wire.Stdout, wire.Stderr:
			if err := s.output(kind, payload); err != nil {
				return res, err
			}
		case wire.Taken:
			select {
			case s.taken <- struct{}{}:
			default:
			}
		case wire.Exit:
			if err := json.Unmarshal(payload, &res); err != nil {
				return res, err
			}
		case wire.Done:
			var end wire.End
			if err := json.Unmarshal(payload, &end); err != nil {
				return res, err
			}
			if end.Error != "" {
				return res, errors.New(end.Error)
			}
			return res, nil
		default:
			return res, fmt.Errorf("the guest sent a frame of kind %q", kind)
		}
	}
}

// begin sends the command, and then its input in the background.
func (s *session) begin() error {
	if err := s.SendValue(wire.Start, s.job.Request); err != nil {
		return err
	}
	s.taken = make(chan struct{}, 1)
	go s.feed()
	if s.job.Resize != nil {
		go s.resize()
	}
	return nil
}

func (s *session) send(k wire.Kind, payload []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.Send(k, payload)
}

// feed sends standard input, a piece at a time. A reader that never returns blocks the
// goroutine, not the command.
func (s *session) feed() {
	buf := make([]byte, 64<<10)
	for s.job.Stdin != nil {
		n, err := s.job.Stdin.Read(buf)
		if n > 0 {
			if s.send(wire.Stdin, buf[:n]) != nil {
				return
			}
			select {
			case <-s.taken:
			case <-s.gone:
				return
			}
		}
		if err != nil {
			break
		}
	}
	_ = s.send(wire.StdinEnd, nil)
}

func (s *session) resize() {
	for {
		select {
		case w, ok := <-s.job.Resize:
			b, err := json.Marshal(w)
			if !ok || err != nil || s.send(wire.Resize, b) != nil {
				return
			}
		case <-s.gone:
			return
		}
	}
}

func (s *session) output(k wire.Kind, p []byte) error {
	w := s.job.Stdout
	if k == wire.Stderr {
		w = s.job.Stderr
	}
	if w == nil {
		return nil
	}
	_, err := w.Write(p)
	return err
}
