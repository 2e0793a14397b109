// SPDX-License-Identifier: MPL-2.0

package layer

import (
	"context"
	"errors"
	"testing"
	"time"
)

// A process that waits for a store in exclusive use is told once who has it, and then gets
// it, or ends with its context.
func TestWaitingForTheStore(t *testing.T) {
	base := t.TempDir()
	open := func(ctx context.Context, waiting func(string)) error {
		w, err := openWip(ctx, base, opening{holder: "carosbuild build, process 8", after: 10 * time.Millisecond, waiting: waiting})
		if err != nil {
			return err
		}
		return w.close()
	}
	first, err := openWip(t.Context(), base, opening{holder: "carosbuild prune, process 7", waiting: func(string) { t.Error("a free store is waited for") }})
	if err != nil {
		t.Fatal(err)
	}
	alone, leave := make(chan struct{}), make(chan struct{})
	ended := make(chan error)
	go func() {
		ended <- first.exclusive(first.named(func() error {
			close(alone)
			<-leave
			return nil
		}))
	}()
	<-alone
	told := make(chan string, 10)
	got := make(chan error)
	go func() { got <- open(t.Context(), func(by string) { told <- by }) }()
	if by, want := <-told, "carosbuild prune, process 7"; by != want {
		t.Errorf("told %q, want %q", by, want)
	}
	short, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if err := open(short, nil); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v, want the end of the context", err)
	}
	close(leave)
	if err := errors.Join(<-ended, <-got, first.close()); err != nil {
		t.Error(err)
	}
	if len(told) > 0 {
		t.Errorf("told again: %q", <-told)
	}
}
