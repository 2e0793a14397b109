// SPDX-License-Identifier: MPL-2.0

package sandbox

import (
	"fmt"
	"io"
	"sync"
)

// Limits are what a command may take; 0 is without a limit.
type Limits struct {
	Memory int64 // bytes
	PIDs   int64 // processes and threads at a time
}

// DefaultOutput is how many bytes of a command's output are kept by
// default.
const DefaultOutput = 1 << 30

// Output passes a bounded number of bytes on and throws the rest away, so that a
// command that prints without end does not fill the disk with its log. It may be
// written to by several goroutines at a time.
type Output struct {
	mu      sync.Mutex
	w       io.Writer
	max     int64
	left    int64
	dropped int64
	newline bool // what was passed on ends with one
}

// NewOutput passes up to max bytes on to w.
func NewOutput(w io.Writer, maxBytes int64) *Output {
	return &Output{w: w, max: maxBytes, left: maxBytes, newline: true}
}

// Write implements io.Writer. What is thrown away counts as written: the command goes
// on.
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
	o.dropped += int64(len(p) - len(kept))
	return len(p), nil
}

// Close writes a note about what was thrown away, if anything was. W stays open.
func (o *Output) Close() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.dropped == 0 {
		return nil
	}
	start := ""
	if !o.newline {
		start = "\n"
	}
	_, err := fmt.Fprintf(o.w, "%s[%d bytes of output were thrown away: the limit is %d]\n", start, o.dropped, o.max)
	o.dropped = 0
	return err
}
