// SPDX-License-Identifier: MPL-2.0

package chroot

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/carosio/carosbuild/pkg/sandbox"
	"golang.org/x/sys/unix"
	"golang.org/x/term"
)

// runOnTerminal gives the command its own terminal, and copies between that and the streams: a
// command that had the builder's terminal could type into it.
func (r *request) runOnTerminal(ctx context.Context, c sandbox.Command) (status int, err error) {
	pty, tty, err := openTerminal()
	if err != nil {
		return 0, fmt.Errorf("terminal for the step: %w", err)
	}
	defer pty.Close()
	in, ok := c.Stdin.(*os.File)
	if ok && term.IsTerminal(int(in.Fd())) {
		old, err := term.MakeRaw(int(in.Fd()))
		if err != nil {
			return 0, errors.Join(fmt.Errorf("terminal: %w", err), tty.Close())
		}
		defer func() { err = errors.Join(err, term.Restore(int(in.Fd()), old)) }()
		defer followSize(in, pty)()
	}
	if c.Stdin != nil {
		defer passOn(c.Stdin, pty)()
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		out := c.Stdout
		if out == nil {
			out = io.Discard
		}
		_, _ = io.Copy(out, pty) // until no process has the terminal open: EIO
	}()
	status, err = r.run(ctx, tty, tty, tty)
	err = errors.Join(err, tty.Close())
	<-done
	return status, err
}

// openTerminal opens both ends of a new terminal. The second end is opened through the first,
// since there may be several instances of devpts.
func openTerminal() (pty, tty *os.File, err error) {
	fd, err := unix.Open("/dev/ptmx", unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, nil, err
	}
	if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
		unix.Close(fd)
		return nil, nil, err
	}
	peer, _, e := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.TIOCGPTPEER, unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC)
	if e != 0 {
		unix.Close(fd)
		return nil, nil, e
	}
	return os.NewFile(uintptr(fd), "pty"), os.NewFile(peer, "tty"), nil
}

// followSize sets the pty's size to that of a terminal, now and whenever it changes, until stop
// is called.
func followSize(from, pty *os.File) (stop func()) {
	set := func() {
		if size, err := unix.IoctlGetWinsize(int(from.Fd()), unix.TIOCGWINSZ); err == nil {
			_ = unix.IoctlSetWinsize(int(pty.Fd()), unix.TIOCSWINSZ, size)
		}
	}
	set()
	changes, done := make(chan os.Signal, 1), make(chan struct{})
	signal.Notify(changes, syscall.SIGWINCH)
	go func() {
		for {
			select {
			case <-changes:
				set()
			case <-done:
				return
			}
		}
	}()
	return func() {
		signal.Stop(changes)
		close(done)
	}
}

// passOn copies what is typed until stop is called. It does not consume what is typed after
// that.
func passOn(from io.Reader, pty *os.File) (stop func()) {
	in, isFile := from.(*os.File)
	if !isFile {
		go func() { _, _ = io.Copy(pty, from) }()
		return func() {}
	}
	r, w, err := os.Pipe()
	if err != nil {
		return func() {}
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		buf := make([]byte, 4096)
		fds := []unix.PollFd{{Fd: int32(in.Fd()), Events: unix.POLLIN}, {Fd: int32(r.Fd()), Events: unix.POLLIN}}
		for {
			_, err := unix.Poll(fds, -1)
			if err == unix.EINTR {
				continue
			}
			if err != nil || fds[1].Revents != 0 {
				return
			}
			n, err := unix.Read(int(in.Fd()), buf)
			if n > 0 {
				_, err = pty.Write(buf[:n])
			}
			if err != nil && err != unix.EINTR && err != unix.EAGAIN || n == 0 {
				return
			}
		}
	}()
	return func() {
		w.Close()
		<-done
		r.Close()
	}
}
