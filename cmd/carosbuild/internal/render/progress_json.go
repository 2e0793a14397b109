// SPDX-License-Identifier: MPL-2.0

package render

import (
	"encoding/json"
	"io"
	"sync"
	"time"

	"github.com/carosio/carosbuild/pkg/progress"
	"github.com/carosio/carosbuild/pkg/terminal"
)

// The kinds of events of --progress=json that no progress.Event is of. All of them
// are described in docs/progress.md.
const (
	ImageEvent  progress.EventKind = "image"  // Text is BUILDID:STAGE of a target
	OutputEvent progress.EventKind = "output" // File was written
	ErrorEvent  progress.EventKind = "error"
	EndEvent    progress.EventKind = "end" // nothing follows
)

// Event is one line of --progress=json.
type Event struct {
	progress.Event

	// Of an error.
	File   string   `json:"file,omitempty"` // also of an output
	Line   int      `json:"line,omitempty"` // 1-based
	Column int      `json:"column,omitempty"`
	Hint   string   `json:"hint,omitempty"`
	Log    string   `json:"log,omitempty"`
	Image  string   `json:"image,omitempty"`  // BUILDID:STAGE of the half-done stage
	Pushed string   `json:"pushed,omitempty"` // where others find it
	Tail   []string `json:"tail,omitempty"`

	// Of an output; sizes in bytes.
	Disk    string `json:"disk,omitempty"`
	Format  string `json:"format,omitempty"`
	OnDisk  int64  `json:"size_on_disk,omitempty"`
	Virtual int64  `json:"virtual_size,omitempty"`
	SHA256  string `json:"sha256,omitempty"`

	// Of an error or the end.
	Warning bool `json:"warning,omitempty"`
	Exit    *int `json:"exit_status,omitempty"`
}

// jsonDisplay writes one event a line. Of progress there are at most ten lines
// a second: of each download or disk the newest, in turn.
type jsonDisplay struct {
	mu      sync.Mutex
	w       io.Writer
	now     func() time.Time
	last    time.Time        // a line of progress was written
	waiting []progress.Event // progress that was not written yet, one for each stage and text
	ended   map[string]bool  // what has begun, and whether it has ended
}

const progressLines = 100 * time.Millisecond

// NewJSON is the display that writes events.
func NewJSON(w io.Writer) Display { return newJSON(w) }

func newJSON(w io.Writer) *jsonDisplay {
	return &jsonDisplay{w: w, now: time.Now, ended: map[string]bool{}}
}

// Show implements Display.
func (d *jsonDisplay) Show(e progress.Event) {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch e.Kind {
	case progress.Progress:
		d.progress(e)
	case progress.ProgressEnd:
		if _, begun := d.ended[progressID(e)]; begun {
			d.end(e)
		}
	default:
		WriteEvent(d.w, Event{Event: e})
	}
	if now := d.now(); len(d.waiting) > 0 && now.Sub(d.last) >= progressLines {
		WriteEvent(d.w, Event{Event: d.waiting[0]})
		d.waiting, d.last = d.waiting[1:], now
	}
}

// progress makes an event wait. The last one of a thing is its end.
func (d *jsonDisplay) progress(e progress.Event) {
	if e.Total > 0 && e.Done >= e.Total {
		e.Kind = progress.ProgressEnd
		d.end(e)
		return
	}
	d.ended[progressID(e)] = false // or it begins again
	for i := range d.waiting {
		if progressID(d.waiting[i]) == progressID(e) {
			d.waiting[i] = e
			return
		}
	}
	d.waiting = append(d.waiting, e)
}

func (d *jsonDisplay) end(e progress.Event) {
	id := progressID(e)
	if d.ended[id] {
		return
	}
	d.ended[id] = true
	kept := d.waiting[:0]
	for _, w := range d.waiting {
		if progressID(w) != id {
			kept = append(kept, w)
		}
	}
	d.waiting = kept
	WriteEvent(d.w, Event{Event: e})
}

func progressID(e progress.Event) string { return e.Stage + "\x00" + e.Text }

// Close implements Display.
func (d *jsonDisplay) Close() {}

// WriteEvent writes one line.
func WriteEvent(w io.Writer, e Event) {
	if line, ok := outputLine(e.Event); ok {
		_, _ = w.Write(line) // the reader is gone
		return
	}
	line, err := json.Marshal(e)
	if err != nil {
		return // the reader is gone
	}
	_, _ = w.Write(append(terminal.JSON(line), '\n'))
}
