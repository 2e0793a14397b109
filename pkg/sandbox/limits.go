// SPDX-License-Identifier: MPL-2.0

package sandbox

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"sync"
)

// Limits are the limits of a command; 0 means no limit.
type Limits struct {
	Memory int64 // bytes
	PIDs   int64 // processes and threads at a time
}

// Default limits of a command.
const (
	DefaultOutput = 1 << 30 // bytes of its output to keep
	DefaultPIDs   = 1 << 15
)

// outputEnd is how many bytes at the end of a long output are kept besides its beginning: they
// show how it ended.
const outputEnd = 4096

// Output passes on a limited number of bytes and discards the rest, so that a command that
// prints without end does not fill the disk with its log. The last 4 KiB are kept until
// Close. Several goroutines may write to it at a time.
type Output struct {
	mu      sync.Mutex
	w       io.Writer
	max     int64
	left    int64
	dropped int64
	end     []byte // the last bytes, after those that were passed on
	keep    int    // length of end
	newline bool   // whether the bytes passed on end with a newline
}

// NewOutput passes up to max bytes on to w.
func NewOutput(w io.Writer, maxBytes int64) *Output {
	return &Output{w: w, max: maxBytes, left: maxBytes, keep: outputEnd, newline: true}
}

// Write implements io.Writer. Discarded bytes count as written: the command goes on.
func (o *Output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	kept := p[:min(int64(len(p)), o.left)]
	if len(kept) > 0 {
		n, err := o.w.Write(kept)
		o.left -= int64(n)
		if n > 0 {
			o.newline = kept[n-1] == '\n'
		}
		if err != nil {
			return n, err
		}
	}
	o.end = append(o.end, p[len(kept):]...)
	if over := len(o.end) - o.keep; over > 0 {
		o.dropped += int64(over)
		o.end = append(o.end[:0], o.end[over:]...)
	}
	return len(p), nil
}

// Close writes the end of the output and, if something before it was discarded, a note that
// says how much. W stays open. It is idempotent.
func (o *Output) Close() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	var noted error
	if o.dropped > 0 {
		if i := bytes.IndexByte(o.end, '\n'); i >= 0 && i+1 < len(o.end) { // from the beginning of a line
			o.dropped += int64(i + 1)
			o.end = o.end[i+1:]
		}
		start := ""
		if !o.newline {
			start = "\n"
		}
		_, noted = fmt.Fprintf(o.w, "%s[%d bytes of output were discarded: the limit is %d]\n", start, o.dropped, o.max)
	}
	_, err := o.w.Write(o.end)
	o.dropped, o.end = 0, nil
	return errors.Join(noted, err)
}

// Dropped is how many bytes were discarded, before Close.
func (o *Output) Dropped() int64 {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.dropped
}
