// SPDX-License-Identifier: MPL-2.0

package engine

import (
	"cmp"
	"context"
	"io"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// waitAfter is how long a lock may be waited for without a word.
const waitAfter = time.Second

// stepLock is a lock among all builds of this user, on the key of a step or on
// a cache. The file says who has it.
type stepLock struct {
	path   string
	holder string        // who is to have it, for those that wait
	after  time.Duration // 0 means waitAfter
}

func (l *Local) lock(name string) stepLock {
	return stepLock{path: filepath.Join(l.CacheDir, "locks", name), holder: l.Holder}
}

// take waits for the lock. Where that takes a moment, waiting is told who has it,
// once.
func (l stepLock) take(ctx context.Context, waiting func(by string)) (unlock func(), err error) {
	if err := os.MkdirAll(filepath.Dir(l.path), 0o700); err != nil {
		return nil, err
	}
	for {
		f, err := os.OpenFile(l.path, os.O_CREATE|os.O_RDWR, 0o600)
		if err != nil {
			return nil, err
		}
		if err := l.flock(ctx, f, &waiting); err != nil {
			return nil, err
		}
		// Whoever held it may have removed the file: then it is not a lock.
		var ours, there unix.Stat_t
		if err := unix.Fstat(int(f.Fd()), &ours); err != nil {
			f.Close()
			return nil, err
		}
		if err := unix.Stat(l.path, &there); err != nil || ours.Ino != there.Ino {
			f.Close()
			continue
		}
		if err := f.Truncate(0); err == nil { // for those that wait; nothing depends on it
			_, _ = f.WriteAt([]byte(l.holder), 0)
		}
		return func() { _ = os.Remove(l.path); f.Close() }, nil // a file that stays is taken over by the next
	}
}

// flock locks a file or closes it.
func (l stepLock) flock(ctx context.Context, f *os.File, waiting *func(by string)) error {
	fd := int(f.Fd())
	err := syscall.Flock(fd, syscall.LOCK_EX|syscall.LOCK_NB)
	if err == nil {
		return nil
	}
	if err != syscall.EWOULDBLOCK {
		f.Close()
		return err
	}
	got := make(chan error)
	go func() {
		err := syscall.Flock(fd, syscall.LOCK_EX)
		for err == syscall.EINTR {
			err = syscall.Flock(fd, syscall.LOCK_EX)
		}
		select {
		case got <- err:
		case <-ctx.Done():
			f.Close() // not before: the number could be another file's by then
		}
	}()
	moment := time.After(cmp.Or(l.after, waitAfter))
	for {
		select {
		case err := <-got:
			if err != nil {
				f.Close()
			}
			return err
		case <-moment:
			if *waiting != nil {
				(*waiting)(holderOf(f))
				*waiting = nil
			}
		case <-ctx.Done():
			return ctx.Err() // the process is about to end, and the wait with it
		}
	}
}

// holderOf is who has a lock, as its file says.
func holderOf(f *os.File) string {
	b := make([]byte, 200)
	n, err := f.ReadAt(b, 0)
	if n == 0 || err != nil && err != io.EOF {
		return "another build"
	}
	return string(b[:n])
}
