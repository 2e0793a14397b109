// SPDX-License-Identifier: MPL-2.0

//go:build unix

package cli

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"golang.org/x/sys/unix"
)

// WhileRead ends the context with ErrNotRead if a write finds that the reader of
// the program's output has gone. Otherwise that write would kill the program, and
// its temporary files would be left.
func WhileRead(ctx context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	broken := make(chan os.Signal, 1)
	signal.Notify(broken, syscall.SIGPIPE)
	done := make(chan struct{})
	go func() {
		for {
			select {
			case <-broken: // for a connection, it is only an error
				if !isRead(os.Stdout) || !isRead(os.Stderr) {
					cancel(ErrNotRead)
				}
			case <-done:
				return
			}
		}
	}()
	return ctx, func() {
		signal.Stop(broken)
		close(done)
		cancel(nil)
	}
}

// isRead reports whether a pipe has a reader. Anything else always has one.
func isRead(f *os.File) bool {
	fds := []unix.PollFd{{Fd: int32(f.Fd())}}
	_, err := unix.Poll(fds, 0)
	return err != nil || fds[0].Revents&unix.POLLERR == 0
}
