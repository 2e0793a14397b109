// SPDX-License-Identifier: MPL-2.0

package registry

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/carosio/carosbuild/pkg/oci"
)

// Of requests that wait for a registry at the same time, one says so; the next wait is
// told again.
func TestWaitingIsToldOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var said []string
		r := &retrier{host: "registry.example"}
		r.client.Events = func(e oci.Event) { said = append(said, e.Text) }
		for range 8 {
			r.waiting("503 Service Unavailable", 2*time.Second)
		}
		time.Sleep(2 * time.Second)
		r.waiting("503 Service Unavailable", 500*time.Millisecond)
		want := []string{
			"registry.example: 503 Service Unavailable; trying again in 2s",
			"registry.example: 503 Service Unavailable; trying again in 500ms",
		}
		if !slices.Equal(said, want) {
			t.Errorf("said %q", said)
		}
	})
}

// deadAfter is a transport that has answers, and then refuses.
type deadAfter struct {
	mu      sync.Mutex
	answers int
}

func (d *deadAfter) RoundTrip(req *http.Request) (*http.Response, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.answers == 0 {
		return nil, fmt.Errorf("dial: %w", syscall.ECONNREFUSED)
	}
	d.answers--
	return &http.Response{StatusCode: http.StatusOK, Body: http.NoBody, Request: req}, nil
}

// A part of an upload is repeated at a registry that has answered before, and not at one
// that has not.
func TestRepeatWhatAnswered(t *testing.T) {
	for answers, want := range map[int]int{0: 1, 1: 3} {
		synctest.Test(t, func(t *testing.T) {
			s := &session{rt: &retrier{host: "registry.example", next: &deadAfter{answers: answers}}}
			s.client.Backoff.Steps = 3
			s.rt.client = s.client
			req, err := http.NewRequestWithContext(t.Context(), http.MethodPatch, "http://registry.example/", http.NoBody)
			if err != nil {
				t.Fatal(err)
			}
			tries := 0
			err = s.repeat(t.Context(), func() error {
				if tries++; tries == 1 && answers > 0 {
					res, err := s.rt.RoundTrip(req)
					if err == nil {
						err = errors.Join(io.ErrUnexpectedEOF, res.Body.Close())
					}
					return err
				}
				return io.ErrUnexpectedEOF
			})
			if !errors.Is(err, io.ErrUnexpectedEOF) || tries != want {
				t.Errorf("after %d answers: %d tries, %v; want %d", answers, tries, err, want)
			}
		})
	}
}
