// SPDX-License-Identifier: MPL-2.0

package layer

import (
	"cmp"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"github.com/carosio/carosbuild/pkg/freshfile"
	"github.com/carosio/carosbuild/pkg/terminal"
)

// waitAfter is how long to wait for the store's lock before saying so.
const waitAfter = time.Second

// opening is a process's wait to open a store. After a moment, waiting is called once, with
// the process that has exclusive use of the store.
type opening struct {
	holder  string
	after   time.Duration // 0 means waitAfter
	waiting func(by string)
}

// lock waits for the lock among processes, until ctx ends. The file names a holder that
// keeps the lock for long.
func (o opening) lock(ctx context.Context, path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	if held, err := freshfile.TryLock(f, freshfile.LockExclusive); held {
		return f, nil
	} else if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	got := make(chan error)
	go func() { // the kernel serves waiters in order
		err := unix.Flock(int(f.Fd()), unix.LOCK_EX)
		for err == unix.EINTR {
			err = unix.Flock(int(f.Fd()), unix.LOCK_EX)
		}
		select {
		case got <- err:
		case <-ctx.Done():
			f.Close() // not earlier: the descriptor's number could be reused
		}
	}()
	moment := time.After(cmp.Or(o.after, waitAfter))
	for {
		select {
		case err := <-got:
			if err != nil {
				return nil, errors.Join(err, f.Close())
			}
			return f, nil
		case <-moment:
			if o.waiting != nil {
				o.waiting(lockedBy(f))
			}
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// lockedBy is the holder of a lock, according to its file.
func lockedBy(f *os.File) string {
	b := make([]byte, 200)
	n, err := f.ReadAt(b, 0)
	if n == 0 || err != nil && err != io.EOF {
		return "another carosbuild"
	}
	return terminal.Line(string(b[:n]))
}

// named wraps f so that the lock's file names this process meanwhile: for long work.
func (w *wip) named(f func() error) func() error {
	path := filepath.Join(w.base, "lock")
	return func() error {
		if err := os.WriteFile(path, []byte(w.holder), 0o600); err != nil {
			return err
		}
		return errors.Join(f(), os.Truncate(path, 0))
	}
}
