// SPDX-License-Identifier: MPL-2.0

package git

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"

	"github.com/carosio/carosbuild/pkg/freshfile"
)

// hold locks a file that exists only for this and is never removed, exclusively or
// shared, until it is closed. It waits for other processes.
func (m *mirror) hold(ctx context.Context, ending string, exclusive bool) (*os.File, error) {
	return hold(ctx, m.base+ending, exclusive, func() {
		m.cache.event(Event{URL: redact(m.url), Note: "waiting for another build that fetches it"})
	})
}

func hold(ctx context.Context, name string, exclusive bool, waiting func()) (*os.File, error) {
	for first := true; ; first = false {
		f, err := tryHold(name, exclusive)
		if !errors.Is(err, syscall.EWOULDBLOCK) {
			return f, err
		}
		if first && waiting != nil {
			waiting()
		}
		select {
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// tryHold returns EWOULDBLOCK while others hold the lock.
func tryHold(name string, exclusive bool) (*os.File, error) {
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE|freshfile.NoFollow, 0o600)
	if err != nil {
		return nil, err
	}
	how := freshfile.LockShared
	if exclusive {
		how = freshfile.LockExclusive
	}
	held, err := freshfile.TryLock(f, how)
	if err == nil && !held {
		err = syscall.EWOULDBLOCK
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("lock %s: %w", name, err), f.Close())
	}
	return f, nil
}
