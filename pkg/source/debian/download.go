// SPDX-License-Identifier: MPL-2.0

package debian

import (
	"context"
	"errors"
	"fmt"
	"hash"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"time"

	"github.com/carosio/carosbuild/pkg/download"
	"github.com/carosio/carosbuild/pkg/source/debian/field"
)

const (
	attempts     = 5
	firstBackoff = 300 * time.Millisecond
	maxBackoff   = 30 * time.Second
	stallTimeout = 60 * time.Second // without receiving a byte
)

// statusError is an unexpected status of an answer.
type statusError struct {
	url        string
	code       int
	retryAfter time.Duration
}

func (e *statusError) Error() string {
	if isFile(e.url) && e.code == http.StatusNotFound {
		return e.url + " does not exist"
	}
	return fmt.Sprintf("%s: %d %s", e.url, e.code, http.StatusText(e.code))
}

// transferError says that the received data is not what was expected.
type transferError struct{ url, what string }

func (e *transferError) Error() string { return e.url + ": " + e.what }

// errFinal marks errors that another attempt cannot fix.
type errFinal struct{ error }

func (e errFinal) Unwrap() error { return e.error }

func retriable(err error) bool {
	if _, final := errors.AsType[errFinal](err); final {
		return false
	}
	if _, closed := errors.AsType[*download.ClosedError](err); closed {
		return false
	}
	if t, ok := errors.AsType[*transferError](err); ok && isFile(t.url) { // it stays as it is
		return false
	}
	if s, ok := errors.AsType[*statusError](err); ok {
		return s.code >= 500 || s.code == http.StatusTooManyRequests || s.code == http.StatusRequestTimeout
	}
	return !isLocal(err)
}

// retry runs try until it succeeds, fails permanently, or has used up its attempts,
// with growing pauses in between.
func (f *Fetcher) retry(ctx context.Context, try func() error) error {
	pause := f.Backoff
	if pause == 0 {
		pause = firstBackoff
	}
	for n := 1; ; n++ {
		err := try()
		if err == nil || ctx.Err() != nil || n == attempts || !retriable(err) {
			return err
		}
		wait := pause/2 + rand.N(pause)
		if s, ok := errors.AsType[*statusError](err); ok && s.retryAfter > wait {
			wait = min(s.retryAfter, maxBackoff)
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(wait):
		}
		pause = min(pause*2, maxBackoff)
	}
}

// download puts the file at address into the cache as name, whose hash and size are
// known in advance. An earlier partial download is resumed. progress gets the
// number of bytes as they arrive, negative if some are discarded.
func (f *Fetcher) download(ctx context.Context, address, name string, want field.File, progress func(int64)) error {
	part, err := lockPart(ctx, name)
	if err != nil {
		return err
	}
	defer part.Close()
	if ok, err := haveFile(name, want); ok || err != nil {
		if ok { // another build was faster
			progress(want.Size)
			err = os.Remove(name + partSuffix)
		}
		return err
	}
	return f.retry(ctx, func() error {
		if err := f.resume(ctx, address, part, want, progress); err != nil {
			return err
		}
		return commitPart(part, name)
	})
}

// resume appends the missing bytes to part and verifies the whole.
func (f *Fetcher) resume(ctx context.Context, address string, part *os.File, want field.File, progress func(int64)) error {
	sum := field.NewHash(want.Sum)
	have, err := io.Copy(sum, io.NewSectionReader(part, 0, want.Size+1))
	if err != nil {
		return err
	}
	if have > want.Size {
		if have, err = 0, restart(part, sum); err != nil {
			return err
		}
	}
	if have == want.Size {
		progress(have)
	} else {
		if err := f.fill(ctx, address, part, sum, &have, want.Size, progress); err != nil {
			return err
		}
	}
	if got := field.HexSum(sum); got != want.Sum {
		if err := restart(part, sum); err != nil {
			return err
		}
		progress(-have)
		return &transferError{redact(address), fmt.Sprintf("%s is %s, the signed index says %s", field.SumName(got), got, want.Sum)}
	}
	return nil
}

// fill reads the bytes from *have to size, or all of them if the server does not
// support ranges.
func (f *Fetcher) fill(ctx context.Context, address string, part *os.File, sum hash.Hash, have *int64, size int64, progress func(int64)) error {
	header := http.Header{}
	if *have > 0 {
		header.Set("Range", "bytes="+strconv.FormatInt(*have, 10)+"-")
	}
	body, err := f.get(ctx, address, header, http.StatusOK, http.StatusPartialContent)
	if s, ok := errors.AsType[*statusError](err); ok && s.code == http.StatusRequestedRangeNotSatisfiable {
		return errors.Join(&transferError{redact(address), fmt.Sprintf("server has nothing after byte %d", *have)}, restart(part, sum))
	}
	if err != nil {
		return err
	}
	defer body.Close()
	if *have > 0 && !body.continues(*have) {
		*have = 0
		if err := restart(part, sum); err != nil {
			return err
		}
	}
	progress(*have)
	w := io.MultiWriter(io.NewOffsetWriter(part, *have), sum)
	n, err := io.Copy(w, &countReader{io.LimitReader(body, size-*have+1), progress})
	*have += n
	switch {
	case err != nil:
		progress(-*have)
		return fmt.Errorf("%s: %w", redact(address), err)
	case *have < size:
		progress(-*have)
		return &transferError{redact(address), fmt.Sprintf("ends after %d of %d bytes", *have, size)}
	case *have > size:
		progress(-*have)
		return errors.Join(&transferError{redact(address), fmt.Sprintf("is longer than the %d bytes that the signed index says", size)},
			restart(part, sum))
	}
	return nil
}

func restart(part *os.File, sum hash.Hash) error {
	sum.Reset()
	return part.Truncate(0)
}

// body is the body of an answer. Reading fails if the server stalls.
type body struct {
	io.ReadCloser
	header http.Header
	status int
	stall  *time.Timer
	cancel context.CancelCauseFunc
}

// continues reports whether the answer is the rest of the file from offset on.
func (b *body) continues(offset int64) bool {
	var from int64
	_, err := fmt.Sscanf(b.header.Get("Content-Range"), "bytes %d-", &from)
	return b.status == http.StatusPartialContent && err == nil && from == offset
}

func (b *body) Read(p []byte) (int, error) {
	b.stall.Reset(stallTimeout)
	return b.ReadCloser.Read(p)
}

func (b *body) Close() error {
	b.stall.Stop()
	err := b.ReadCloser.Close()
	b.cancel(nil)
	return err
}

// get sends one request and accepts the given statuses as success.
func (f *Fetcher) get(ctx context.Context, address string, header http.Header, good ...int) (*body, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	stall := time.AfterFunc(stallTimeout, func() { cancel(errors.New("the server fell silent")) })
	fail := func(err error) (*body, error) {
		stall.Stop()
		cancel(nil)
		return nil, err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return fail(errFinal{err})
	}
	request.Header = header
	request.Header.Set("User-Agent", "carosbuild")
	answer, err := f.client().Do(request)
	if err != nil {
		if cause := context.Cause(ctx); cause != nil {
			err = fmt.Errorf("%s: %w", redact(address), cause)
		}
		return fail(err)
	}
	for _, code := range good {
		if answer.StatusCode == code {
			return &body{answer.Body, answer.Header, code, stall, cancel}, nil
		}
	}
	answer.Body.Close()
	e := &statusError{url: redact(address), code: answer.StatusCode}
	if s, err := strconv.Atoi(answer.Header.Get("Retry-After")); err == nil && s > 0 {
		e.retryAfter = time.Duration(min(s, 3600)) * time.Second
	}
	return fail(e)
}

func redact(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return "a malformed address"
	}
	return u.Redacted()
}

type countReader struct {
	r     io.Reader
	count func(int64)
}

func (c *countReader) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	if n > 0 {
		c.count(int64(n))
	}
	return n, err
}
