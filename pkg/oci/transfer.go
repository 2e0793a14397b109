// SPDX-License-Identifier: MPL-2.0

package oci

import (
	"context"
	"io"
)

// Transfer has the settings for moving images.
type Transfer struct {
	Jobs   int         // transfers at a time; 0 means 4
	Events func(Event) // nil: none; called concurrently
}

// Event reports the progress of a transfer.
type Event struct {
	Kind   string // "pull", "push", "compress" or "export"; "note" and "wait" have only Text
	Name   string // image; for "wait" the registry
	Text   string // message for the user
	Digest string // of the layer
	Done   int64  // bytes so far; -1 if there was nothing to do
	Total  int64  // bytes
}

// Tell passes an event on.
func (t Transfer) Tell(e Event) {
	if t.Events != nil {
		t.Events(e)
	}
}

// Parallel is the maximum number of simultaneous transfers.
func (t Transfer) Parallel() int {
	if t.Jobs > 0 {
		return t.Jobs
	}
	return 4
}

// ProgressReader passes on a stream of which n bytes have already been read. It
// calls report for each MiB, and ends with ctx.
func ProgressReader(ctx context.Context, r io.Reader, n int64, report func(int64)) io.Reader {
	last := n
	return readerFunc(func(b []byte) (int, error) {
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		k, err := r.Read(b)
		n += int64(k)
		if n-last >= 1<<20 {
			last = n
			report(n)
		}
		return k, err
	})
}

// readerFunc is a Read method and nothing else.
type readerFunc func(p []byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }
