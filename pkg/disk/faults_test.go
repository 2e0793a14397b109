// This Source Code Form is subject to the terms of the Mozilla Public
// License, v. 2.0. If a copy of the MPL was not distributed with this
// file, You can obtain one at https://mozilla.org/MPL/2.0/.

package disk

import (
	"errors"
	"sync/atomic"
	"testing"

	"github.com/carosio/carosbuild/pkg/disk/bmap"
	"github.com/carosio/carosbuild/pkg/disk/image"
	"github.com/carosio/carosbuild/pkg/disk/ova"
	"github.com/carosio/carosbuild/pkg/disk/pipeline"
	"github.com/carosio/carosbuild/pkg/disk/qcow2"
	"github.com/carosio/carosbuild/pkg/disk/vhd"
	"github.com/carosio/carosbuild/pkg/disk/vhdx"
	"github.com/carosio/carosbuild/pkg/disk/vmdk"
)

// faulty takes so many writes and no more.
type faulty struct{ left atomic.Int64 }

var errFaulty = errors.New("input/output error")

func (f *faulty) Write(p []byte) (int, error) {
	if f.left.Add(-1) < 0 {
		return 0, errFaulty
	}
	return len(p), nil
}

func (f *faulty) WriteAt(p []byte, _ int64) (int, error) { return f.Write(p) }

// TestFaults lets each write of each format go wrong: no error is lost.
func TestFaults(t *testing.T) {
	m, err := image.New(6*mib, []image.Extent{
		{Off: 5, Len: 300_000, Src: endless{}},
		{Off: 3 * mib, Len: mib / 2, Src: endless{}},
		{Off: 6*mib - 5, Len: 5, Src: endless{}},
	})
	if err != nil {
		t.Fatal(err)
	}
	size := m.Size()
	device := func(f *faulty) pipeline.Sink {
		zero := func(int64, int64) error { _, err := f.Write(nil); return err }
		return &rawSink{w: f, zero: zero, size: size, after: []byte{1}}
	}
	pack := func(f Format) func(*faulty) (pipeline.Sink, error) {
		return func(w *faulty) (pipeline.Sink, error) { return newPackSink(w, size, f, 0) }
	}
	for name, sink := range map[string]func(*faulty) (pipeline.Sink, error){
		"raw":        func(f *faulty) (pipeline.Sink, error) { return device(f), nil },
		"raw stream": func(f *faulty) (pipeline.Sink, error) { return &rawStream{w: f, size: size}, nil },
		"raw.gz":     pack(RawGzip),
		"raw.zst":    pack(RawZstd),
		"bmap":       func(f *faulty) (pipeline.Sink, error) { return bmap.New(f, size) },
		"qcow2":      func(f *faulty) (pipeline.Sink, error) { return qcow2.New(f, size, qcow2.Options{}) },
		"qcow2-zstd": func(f *faulty) (pipeline.Sink, error) {
			return qcow2.New(f, size, qcow2.Options{Compress: true, Compression: qcow2.Zstd})
		},
		"vhd":         func(f *faulty) (pipeline.Sink, error) { return vhd.NewDynamic(f, size, vhd.Options{}) },
		"vhdx":        func(f *faulty) (pipeline.Sink, error) { return vhdx.New(f, size, vhdx.Options{}) },
		"vmdk":        func(f *faulty) (pipeline.Sink, error) { return vmdk.NewStream(f, size, vmdk.Options{}) },
		"vmdk-sparse": func(f *faulty) (pipeline.Sink, error) { return vmdk.NewSparse(f, size, vmdk.Options{}) },
		"ova":         func(f *faulty) (pipeline.Sink, error) { return ova.New(f, size, ova.VM{}, ova.Options{}) },
	} {
		write := func(f *faulty) error {
			s, err := sink(f)
			if err != nil {
				return err
			}
			return pipeline.Run(t.Context(), m, pipeline.Options{Chunk: packBlock}, s)
		}
		f := &faulty{}
		f.left.Store(1 << 40)
		if err := write(f); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		all := 1<<40 - f.left.Load()
		for n := range all {
			f := &faulty{}
			f.left.Store(n)
			if err := write(f); !errors.Is(err, errFaulty) {
				t.Errorf("%s: write %d of %d went wrong: %v", name, n+1, all, err)
			}
		}
		if all == 0 {
			t.Errorf("%s: nothing is written", name)
		}
	}
}
