// SPDX-License-Identifier: MPL-2.0

package disk

import (
	"errors"
	"io"
	"slices"
	"sync/atomic"
	"testing"

	"github.com/carosio/carosbuild/pkg/disk/image"
	"github.com/carosio/carosbuild/pkg/disk/iso"
	"github.com/carosio/carosbuild/pkg/disk/pipeline"
)

// faulty is a file, or several, in which the write with a given number fails. Later
// writes succeed, since their errors would hide that the first one was lost.
type faulty struct{ left atomic.Int64 }

var errFaulty = errors.New("input/output error")

func newFaulty(left int64) *faulty {
	f := &faulty{}
	f.left.Store(left)
	return f
}

func (f *faulty) Write(p []byte) (int, error) {
	if f.left.Add(-1) == -1 {
		return 0, errFaulty
	}
	return len(p), nil
}

func (f *faulty) WriteAt(p []byte, _ int64) (int, error) { return f.Write(p) }

func (f *faulty) Truncate(int64) error {
	_, err := f.Write(nil)
	return err
}

// TestFaults makes each write of each format fail, in all its files, and also when
// it is written front to back: no error is lost.
func TestFaults(t *testing.T) {
	m, err := image.New(6*mib, []image.Extent{
		{Off: 5, Len: 30_000, Src: endless{}},
		{Off: 3 * mib, Len: mib / 2, Src: endless{}},
		{Off: 6*mib - 5, Len: 5, Src: endless{}},
	})
	if err != nil {
		t.Fatal(err)
	}
	o := testOptions()
	o.ISO = &iso.Options{Size: m.Size(), Limit: mib, ID: "FAULTS", EFI: iso.Region{Off: 3 * mib, Len: mib}}
	for _, name := range Formats() {
		out := target{path: "d.vmdk", format: Format(name), files: Format(name).files("d.vmdk", true)}
		t.Run(name, func(t *testing.T) {
			allFaults(t, m, o, func(w *writing, f *faulty) error {
				return w.fileSinks(out, func(string) (file, error) { return f, nil })
			})
		})
		if slices.Contains(streams(), name) {
			t.Run(name+" stream", func(t *testing.T) {
				allFaults(t, m, o, func(w *writing, f *faulty) error {
					s, err := w.streamSink(out, io.Writer(f))
					return w.add(out, s, err)
				})
			})
		}
	}
	t.Run("device", func(t *testing.T) {
		allFaults(t, m, o, func(w *writing, f *faulty) error {
			zero := func(int64, int64) error { return f.Truncate(0) }
			return w.add(target{}, &rawSink{w: f, zero: zero, size: m.Size()}, nil)
		})
	})
}

// allFaults counts the writes, and makes them fail one after another.
func allFaults(t *testing.T, m *image.Image, o WriteOptions, open func(*writing, *faulty) error) {
	write := func(f *faulty) error {
		w := &writing{m: m, o: o}
		if err := open(w, f); err != nil {
			return err
		}
		return pipeline.Run(t.Context(), m, pipeline.Options{Chunk: packBlock}, w.sinks...)
	}
	const plenty = 1 << 40
	f := newFaulty(plenty)
	if err := write(f); err != nil {
		t.Fatal(err)
	}
	all := plenty - f.left.Load()
	if all == 0 {
		t.Error("nothing is written")
	}
	for n := range all {
		if err := write(newFaulty(n)); !errors.Is(err, errFaulty) {
			t.Errorf("write %d of %d went wrong: %v", n+1, all, err)
		}
	}
}
