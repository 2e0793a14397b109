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

// relay connects the terminal that is standard input with the step's.
type relay struct {
	master *os.File
	saved  *term.State
	sizes  chan os.Signal
	done   chan struct{} // the step's terminal is closed
}

// openTerminal makes the step's terminal, in its root, and begins to relay.
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
	// It waits for a key when the step is over, and ends with this process.
	go func() { _, _ = io.Copy(r.master, os.Stdin) }()
	go func() {
		_, _ = io.Copy(os.Stdout, r.master)
		close(r.done)
	}()
	return r, nil
}

// resize has the step's terminal be as large as the caller's.
func (r *relay) resize() {
	if size, err := unix.IoctlGetWinsize(0, unix.TIOCGWINSZ); err == nil {
		_ = unix.IoctlSetWinsize(int(r.master.Fd()), unix.TIOCSWINSZ, size)
	}
}

// close shows what is left and gives the caller his terminal back. A process that the
// step has left behind may have its terminal open.
func (r *relay) close() {
	select {
	case <-r.done:
	case <-time.After(200 * time.Millisecond):
	}
	signal.Stop(r.sizes)
	close(r.sizes)
	_ = term.Restore(0, r.saved)
}

// useTerminal has the step's first process use its terminal as standard streams.
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
