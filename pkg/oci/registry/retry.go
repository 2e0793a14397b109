// SPDX-License-Identifier: MPL-2.0

package registry

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/google/go-containerregistry/pkg/v1/remote/transport"

	"github.com/carosio/carosbuild/pkg/oci"
)

// retrier repeats requests after errors of a registry or the network, and reports
// when it waits. A request that changes something is repeated only if the registry
// has said that it did not accept it.
type retrier struct {
	client Client
	host   string
	next   http.RoundTripper

	mu    sync.Mutex
	seen  map[string]bool // hosts that have answered
	until time.Time       // when the wait that was told last ends
}

// retryStatus are the statuses after which a request is worth repeating.
func retryStatus() []int {
	return []int{
		http.StatusRequestTimeout, http.StatusTooManyRequests, http.StatusInternalServerError,
		http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout,
	}
}

// RoundTrip sends a request until it is answered or given up.
func (t *retrier) RoundTrip(req *http.Request) (*http.Response, error) {
	budget := t.client.Deadlines.withDefaults().Waiting
	for attempt := 1; ; attempt++ {
		res, err := t.next.RoundTrip(req)
		why, again := t.transient(req, res, err)
		if !again {
			return res, err
		}
		asked := retryAfter(res)
		if asked == 0 && attempt >= max(t.client.backoff().Steps, 1) {
			return giveUp(res, err)
		}
		wait := max(asked, t.client.pause(attempt))
		if wait > budget {
			return t.tooLong(res, err, asked)
		}
		budget -= wait
		again, rewound := t.rewind(req)
		if rewound != nil {
			return nil, rewound
		} else if !again {
			return res, err
		}
		if res != nil {
			_, _ = io.Copy(io.Discard, io.LimitReader(res.Body, 64<<10)) // so that the connection can be reused
			res.Body.Close()
		}
		t.waiting(why, wait)
		if err := sleep(req.Context(), wait); err != nil {
			return nil, err
		}
	}
}

// transient reports whether repeating a request may help, and says why it failed.
func (t *retrier) transient(req *http.Request, res *http.Response, err error) (why string, again bool) {
	reading := req.Method == http.MethodGet || req.Method == http.MethodHead
	if err != nil {
		t.mu.Lock()
		seen := t.seen[req.URL.Host]
		t.mu.Unlock()
		// A host that has never answered does not exist, or is not a registry.
		return reason(err), reading && seen && req.Context().Err() == nil && cutOff(err)
	}
	t.mu.Lock()
	if t.seen == nil {
		t.seen = map[string]bool{}
	}
	t.seen[req.URL.Host] = true
	t.mu.Unlock()
	if !slices.Contains(retryStatus(), res.StatusCode) {
		return "", false
	}
	untouched := res.StatusCode == http.StatusTooManyRequests || res.StatusCode == http.StatusServiceUnavailable && retryAfter(res) > 0
	return res.Status, reading || untouched
}

// rewind makes a request's body readable again, if it can.
func (t *retrier) rewind(req *http.Request) (bool, error) {
	if req.Body == nil || req.Body == http.NoBody {
		return true, nil
	}
	if req.GetBody == nil {
		return false, nil
	}
	body, err := req.GetBody()
	req.Body = body
	return true, err
}

// tooLong gives a request up if the registry asks for too long a pause.
func (t *retrier) tooLong(res *http.Response, err error, asked time.Duration) (*http.Response, error) {
	if asked == 0 {
		return giveUp(res, err)
	}
	answer := transport.CheckError(res)
	res.Body.Close()
	return nil, &busyError{t.host, asked, t.client.Deadlines.withDefaults().Waiting, answer}
}

// finalError is an error after the last attempt.
type finalError struct{ error }

func (e *finalError) Unwrap() error { return e.error }

func giveUp(res *http.Response, err error) (*http.Response, error) {
	if res != nil {
		err = transport.CheckError(res)
		res.Body.Close()
	}
	return nil, &finalError{err}
}

// busyError says that a registry asks for a long pause.
type busyError struct {
	host         string
	asked, limit time.Duration
	err          error
}

func (e *busyError) Error() string {
	if e.asked > e.limit {
		return fmt.Sprintf("%s asks to wait for %s, and %s is the longest: %v", e.host, e.asked.Round(time.Second), e.limit, e.err)
	}
	return fmt.Sprintf("%s still asks to wait, after %s: %v", e.host, e.limit, e.err)
}

func (e *busyError) Unwrap() error { return e.err }

// retryAfter is the pause that an answer asks for, or 0.
func retryAfter(res *http.Response) time.Duration {
	if res == nil {
		return 0
	}
	v := res.Header.Get("Retry-After")
	if n, err := strconv.ParseInt(v, 10, 32); err == nil {
		return time.Duration(max(n, 0)) * time.Second
	}
	at, err := http.ParseTime(v)
	if err != nil {
		return 0
	}
	now, err := http.ParseTime(res.Header.Get("Date")) // the server's clock
	if err != nil {
		now = time.Now()
	}
	return max(at.Sub(now), 0)
}

// cutOff reports whether a connection ended too early.
func cutOff(err error) bool {
	var op *net.OpError
	return errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) || errors.Is(err, net.ErrClosed) ||
		errors.Is(err, syscall.EPIPE) || errors.Is(err, syscall.ECONNRESET) || errors.As(err, &op) && op.Op != "remote error"
}

// pause is how long to wait after an attempt; the first attempt is 1.
func (c Client) pause(attempt int) time.Duration {
	b := c.backoff()
	d := b.Duration
	for range attempt - 1 {
		d = time.Duration(float64(d) * max(b.Factor, 1))
		if b.Cap > 0 && d > b.Cap {
			d = b.Cap
			break
		}
	}
	return d + time.Duration(rand.Float64()*b.Jitter*float64(d))
}

// waiting tells that a request is about to be repeated. Of several that wait for the
// registry at the same time, one is told.
func (t *retrier) waiting(why string, wait time.Duration) {
	now := time.Now()
	t.mu.Lock()
	told := now.Before(t.until)
	if !told {
		t.until = now.Add(wait)
	}
	t.mu.Unlock()
	if told {
		return
	}
	unit := time.Second
	if wait < unit {
		unit = 100 * time.Millisecond
	}
	t.client.Tell(oci.Event{Kind: "wait", Name: t.host, Text: fmt.Sprintf("%s: %s; trying again in %s", t.host, why, wait.Round(unit))})
}

// answered reports whether the registry, or a host that it has led to, ever has. One that
// has not is not there, or is not what it is taken for: nothing is repeated.
func (t *retrier) answered() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.seen) > 0
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
