// SPDX-License-Identifier: MPL-2.0

package disk

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"
	"time"

	"golang.org/x/term"
)

// openPipe opens a FIFO or character device. For a FIFO, it waits until a program
// reads from it.
func openPipe(ctx context.Context, path string) (*os.File, error) {
	const step = 50 * time.Millisecond
	for {
		f, err := os.OpenFile(path, os.O_WRONLY|nonblock|noTTY, 0)
		switch {
		case err == nil:
			return f, nil
		case !errors.Is(err, syscall.ENXIO):
			return nil, err
		}
		select {
		case <-time.After(step):
		case <-ctx.Done():
			return nil, fmt.Errorf("nobody reads from it: %w", ctx.Err())
		}
	}
}

// unblock ends a write that waits for a reader when ctx ends. Call stop when
// everything is written.
func unblock(ctx context.Context, f *os.File) (stop func() bool) {
	return context.AfterFunc(ctx, func() { _ = f.SetWriteDeadline(time.Unix(1, 0)) }) // not every device supports it
}

// isTerminal reports whether w is a terminal, which would display the bytes of a
// disk.
func isTerminal(w io.Writer) bool {
	f, ok := w.(interface{ Fd() uintptr })
	return ok && term.IsTerminal(int(f.Fd()))
}
