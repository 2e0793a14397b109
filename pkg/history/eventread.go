// SPDX-License-Identifier: MPL-2.0

package history

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/carosio/carosbuild/pkg/progress"
)

// maxEvent is more than an event has, in bytes. What is longer is left out.
const maxEvent = 8 << 20

// The kinds of events in the file that no progress.Event is of.
const (
	errorKind progress.EventKind = "error"
	endKind   progress.EventKind = "end"
)

// KeptEvent is an event as it was kept.
type KeptEvent struct {
	progress.Event
	Exit *int   `json:"exit_status,omitempty"` // of the end
	Raw  []byte `json:"-"`                     // the line, with its end; valid until the next event
}

// IsEnd reports whether no event follows.
func (e *KeptEvent) IsEnd() bool { return e.Kind == endKind }

// Events is the file of a build's events, opened for reading.
type Events struct {
	file  *os.File
	lines *bufio.Reader
	part  []byte // of a line whose end is not there yet
	long  bool   // the line is left out
	every time.Duration
}

// pollEvents is how often a file is looked at that may become longer.
const pollEvents = 150 * time.Millisecond

// OpenEvents opens the file of events in a directory of logs. It is fs.ErrNotExist where
// a build has left none.
func OpenEvents(dir string) (*Events, error) {
	f, err := os.Open(filepath.Join(dir, EventsName))
	if err != nil {
		return nil, fmt.Errorf("read the events of a build: %w", err)
	}
	return &Events{file: f, lines: bufio.NewReaderSize(f, 64<<10), every: pollEvents}, nil
}

// Close closes the file.
func (r *Events) Close() error { return r.file.Close() }

// Running reports whether the build still writes events.
func (r *Events) Running() bool { return isLocked(r.file) }

// Each calls f with each event that is there now. What is no event is left out.
func (r *Events) Each(ctx context.Context, f func(*KeptEvent) error) error {
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		e, err := r.next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read the events of a build: %w", err)
		}
		if e == nil {
			continue
		}
		if err := f(e); err != nil {
			return err
		}
	}
}

// Follow is Each until the build has ended, however it ends. Idle is called before it waits
// for more events.
func (r *Events) Follow(ctx context.Context, f func(*KeptEvent) error, idle func() error) error {
	ended := false
	look := func(e *KeptEvent) error {
		ended = ended || e.IsEnd()
		return f(e)
	}
	for {
		last := !r.Running() // before the rest is read
		if err := r.Each(ctx, look); err != nil || ended || last {
			return err
		}
		if err := idle(); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(r.every):
		}
	}
}

// next is the next event, nil for a line that is none, and io.EOF where no whole line is
// left.
func (r *Events) next() (*KeptEvent, error) {
	for {
		piece, err := r.lines.ReadSlice('\n')
		if r.long = r.long || len(r.part)+len(piece) > maxEvent; r.long {
			r.part = r.part[:0]
		} else {
			r.part = append(r.part, piece...)
		}
		if errors.Is(err, bufio.ErrBufferFull) {
			continue
		}
		if err != nil {
			return nil, err
		}
		line := r.part
		r.part = r.part[:0]
		if r.long {
			r.long = false
			return nil, nil
		}
		e := &KeptEvent{Raw: line}
		if json.Unmarshal(bytes.TrimRight(line, "\n"), e) != nil || e.Kind == "" {
			return nil, nil
		}
		return e, nil
	}
}

// begun is when the build of a directory of logs has begun, by its events or its report;
// the zero time where neither tells.
func begun(dir string) time.Time {
	if r, err := OpenEvents(dir); err == nil {
		defer r.Close()
		if e, err := r.next(); err == nil && e != nil {
			return e.Time
		}
		if st, err := r.file.Stat(); err == nil && r.Running() { // it has just begun
			return st.ModTime()
		}
	}
	if report, err := ReadReport(dir); err == nil {
		return report.Start
	}
	return time.Time{}
}
