// SPDX-License-Identifier: MPL-2.0

package supervisor

import (
	"fmt"
	"io"
	"os"
	"os/signal"
	"time"

	"golang.org/x/sys/unix"
	"golang.org/x/term"
)

// The step's terminal is the first one of its own /dev/pts.
const (
	stepMaster   = "/dev/ptmx"
	stepTerminal = "/dev/pts/0"
)

// relay connects the terminal at standard input with the step's terminal.
type relay struct {
	master *os.File
	saved  *term.State
	sizes  chan os.Signal
	done   chan struct{} // the step's terminal is closed
}

// openTerminal opens the step's terminal, in the step's root, and starts to relay.
func openTerminal() (*relay, error) {
	fd, err := unix.Open(stepMaster, unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("terminal of the step: %w", err)
	}
	r := &relay{master: os.NewFile(uintptr(fd), stepMaster), sizes: make(chan os.Signal, 1), done: make(chan struct{})}
	if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
		r.master.Close()
		return nil, fmt.Errorf("terminal of the step: %w", err)
	}
	r.resize()
	if r.saved, err = term.MakeRaw(0); err != nil {
		r.master.Close()
		return nil, fmt.Errorf("terminal of the caller: %w", err)
	}
	signal.Notify(r.sizes, unix.SIGWINCH)
	go func() {
		for range r.sizes {
			r.resize()
		}
	}()
	// After the step's end it still waits for a key, until this process ends.
	go func() { _, _ = io.Copy(r.master, os.Stdin) }()
	go func() {
		_, _ = io.Copy(os.Stdout, r.master)
		close(r.done)
	}()
	return r, nil
}

// resize gives the step's terminal the size of the caller's.
func (r *relay) resize() {
	if size, err := unix.IoctlGetWinsize(0, unix.TIOCGWINSZ); err == nil {
		_ = unix.IoctlSetWinsize(int(r.master.Fd()), unix.TIOCSWINSZ, size)
	}
}

// close prints the remaining output and restores the caller's terminal. A process that the
// step has left behind may still have the step's terminal open.
func (r *relay) close() {
	select {
	case <-r.done:
	case <-time.After(200 * time.Millisecond):
	}
	signal.Stop(r.sizes)
	close(r.sizes)
	_ = term.Restore(0, r.saved)
}

// useTerminal makes the step's terminal the standard streams of its first process.
func useTerminal() error {
	fd, err := unix.Open(stepTerminal, unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("terminal of the step: %w", err)
	}
	if err := unix.IoctlSetInt(fd, unix.TIOCSCTTY, 0); err != nil {
		return fmt.Errorf("terminal of the step: %w", err)
	}
	for to := range 3 {
		if err := unix.Dup3(fd, to, 0); err != nil {
			return fmt.Errorf("terminal of the step: %w", err)
		}
	}
	return nil
}
