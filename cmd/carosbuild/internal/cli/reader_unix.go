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

// WhileRead ends the context, because of ErrNotRead, when a write finds that nobody
// reads the program's output any more. The program would be killed by that write
// otherwise, and leave its temporary files.
func WhileRead(ctx context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	broken := make(chan os.Signal, 1)
	signal.Notify(broken, syscall.SIGPIPE)
	done := make(chan struct{})
	go func() {
		for {
			select {
			case <-broken: // the one of a connection is an error there, and no more
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

// isRead reports whether a pipe has a reader. What is not a pipe always has.
func isRead(f *os.File) bool {
	fds := []unix.PollFd{{Fd: int32(f.Fd())}}
	_, err := unix.Poll(fds, 0)
	return err != nil || fds[0].Revents&unix.POLLERR == 0
}
