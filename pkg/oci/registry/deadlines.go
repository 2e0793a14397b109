// SPDX-License-Identifier: MPL-2.0

package registry

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"time"
)

// Deadlines bound how long a registry may delay a transfer. Zero values mean the
// defaults.
type Deadlines struct {
	Connect  time.Duration // connecting to a host, once its name is resolved; default 1.5 s
	Headers  time.Duration // until an answer begins; default 1 min, after an upload five times as long
	Progress time.Duration // time for each further 64 KiB of a layer; default 1 min
	Small    time.Duration // time for a whole manifest, config or token; default 1 min
	Waiting  time.Duration // sum of the pauses between attempts of a request; default 2 min
}

func (d Deadlines) withDefaults() Deadlines {
	for _, v := range []struct {
		d   *time.Duration
		def time.Duration
	}{{&d.Connect, 1500 * time.Millisecond}, {&d.Headers, time.Minute}, {&d.Progress, time.Minute}, {&d.Small, time.Minute}, {&d.Waiting, 2 * time.Minute}} {
		if *v.d == 0 {
			*v.d = v.def
		}
	}
	return d
}

// progressBytes must be transferred within Deadlines.Progress; a server that is
// slower is given up.
const progressBytes = 64 << 10

// slowError says that a server missed a deadline.
type slowError struct {
	host, what string
	after      time.Duration
}

func (e *slowError) Error() string { return fmt.Sprintf("%s %s within %s", e.host, e.what, e.after) }

// Timeout is what net.Error has.
func (e *slowError) Timeout() bool { return true }

func (e *slowError) Unwrap() error { return os.ErrDeadlineExceeded }

// watch ends a request that takes too long.
type watch struct {
	host   string
	begin  time.Time
	why    func() error // reason why the request has ended, nil if it has not
	cancel context.CancelCauseFunc

	mu       sync.Mutex
	timer    *time.Timer
	answered bool
}

// newWatch watches a request, which has to use the context that is returned.
func newWatch(ctx context.Context, host string) (context.Context, *watch) {
	ctx, cancel := context.WithCancelCause(ctx)
	return ctx, &watch{host: host, begin: time.Now(), why: func() error { return context.Cause(ctx) }, cancel: cancel}
}

// limit replaces the deadline. what describes a server that misses it. passed is
// the part of the time that has already gone.
func (w *watch) limit(d, passed time.Duration, what string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.set(d, passed, what)
}

func (w *watch) set(d, passed time.Duration, what string) {
	if w.timer != nil {
		w.timer.Stop()
	}
	slow := &slowError{w.host, what, d}
	w.timer = time.AfterFunc(max(d-passed, 0), func() { w.cancel(slow) })
}

// sending is limit while the request is sent; an answer may come earlier.
func (w *watch) sending(d time.Duration, what string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.answered {
		w.set(d, 0, what)
	}
}

// answer says that the answer has begun, and removes the deadline.
func (w *watch) answer() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.answered = true
	w.timer.Stop()
}

func (w *watch) pause() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.timer.Stop()
}

// stop releases the watch.
func (w *watch) stop() {
	w.pause()
	w.cancel(nil)
}

// cause is the deadline that was missed, or else err.
func (w *watch) cause(err error) error {
	var slow *slowError
	if err != nil && errors.As(w.why(), &slow) {
		return slow
	}
	return err
}

// answerBody is a layer in an answer, which has to make progress.
type answerBody struct {
	io.ReadCloser
	w     *watch
	every time.Duration // time for progressBytes

	left  time.Duration // what is left of every
	bytes int           // received in this period
}

func (b *answerBody) Read(p []byte) (int, error) {
	// The time between reads is the reader's, not the server's.
	if b.left <= 0 {
		b.left, b.bytes = b.every, 0
	}
	b.w.limit(b.every, b.every-b.left, fmt.Sprintf("sent fewer than %d KiB of a layer", progressBytes>>10))
	start := time.Now()
	n, err := b.ReadCloser.Read(p)
	b.w.pause()
	b.left -= time.Since(start)
	if b.bytes += n; b.bytes >= progressBytes {
		b.left = 0 // begin a new period
	}
	return n, b.w.cause(err)
}

func (b *answerBody) Close() error {
	err := b.ReadCloser.Close()
	b.w.stop()
	return err
}

// sentBody is the body of a request, which the server has to accept.
type sentBody struct {
	io.ReadCloser
	w *watch
	d Deadlines
}

func (b *sentBody) Read(p []byte) (int, error) {
	b.w.sending(b.d.Progress, "took nothing of an upload")
	n, err := b.ReadCloser.Read(p)
	if err == io.EOF {
		b.w.sending(5*b.d.Headers, "did not answer an upload")
	}
	return n, err
}
