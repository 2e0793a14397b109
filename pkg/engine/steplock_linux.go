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

// waitAfter is how long to wait for a lock before saying so.
const waitAfter = time.Second

// stepLock is a lock among all builds of this user, on the key of a step or on a cache.
// Its file names the holder.
type stepLock struct {
	path   string
	holder string        // written to the file, for those that wait
	after  time.Duration // 0 means waitAfter
}

func (l *Local) lock(name string) stepLock {
	return stepLock{path: filepath.Join(l.CacheDir, "locks", name), holder: l.Holder}
}

// take waits for the lock. If that takes a while, it calls waiting once with the holder.
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
		// The former holder may have removed the file: then the lock on it is void.
		var ours, there unix.Stat_t
		if err := unix.Fstat(int(f.Fd()), &ours); err != nil {
			f.Close()
			return nil, err
		}
		if err := unix.Stat(l.path, &there); err != nil || ours.Ino != there.Ino {
			f.Close()
			continue
		}
		if err := f.Truncate(0); err == nil { // only informs those that wait
			_, _ = f.WriteAt([]byte(l.holder), 0)
		}
		return func() { _ = os.Remove(l.path); f.Close() }, nil // the next holder reuses a file that stays
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
			f.Close() // not earlier: the descriptor's number could be reused
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
			return ctx.Err() // the process is about to end, which ends the wait
		}
	}
}

// holderOf is the holder of a lock, according to its file.
func holderOf(f *os.File) string {
	b := make([]byte, 200)
	n, err := f.ReadAt(b, 0)
	if n == 0 || err != nil && err != io.EOF {
		return "another build"
	}
	return string(b[:n])
}
