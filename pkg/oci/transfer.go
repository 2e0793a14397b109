// SPDX-License-Identifier: MPL-2.0

package oci

import (
	"context"
	"io"
)

// Transfer says how images are moved.
type Transfer struct {
	Jobs   int         // transfers at a time; 0 means 4
	Events func(Event) // nil: none; called concurrently
}

// Event tells how a transfer goes on.
type Event struct {
	Kind   string // "pull", "push", "compress" or "export"; "note" and "wait" have Text alone
	Name   string // image; of "wait" the registry
	Text   string // for a person
	Digest string // of the layer
	Done   int64  // bytes so far; -1 when there was nothing to do
	Total  int64  // bytes
}

// Tell passes an event on.
func (t Transfer) Tell(e Event) {
	if t.Events != nil {
		t.Events(e)
	}
}

// Parallel is how many transfers there may be at a time.
func (t Transfer) Parallel() int {
	if t.Jobs > 0 {
		return t.Jobs
	}
	return 4
}

// ProgressReader passes a stream on of which n bytes have been read before. It
// tells report about each MiB, and ends with ctx.
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

// readerFunc is a Read without anything else.
type readerFunc func(p []byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }
