// SPDX-License-Identifier: MPL-2.0

package disk

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"

	"github.com/carosio/carosbuild/pkg/disk/bmap"
	"github.com/carosio/carosbuild/pkg/disk/image"
	"github.com/carosio/carosbuild/pkg/disk/iso"
	"github.com/carosio/carosbuild/pkg/disk/ova"
	"github.com/carosio/carosbuild/pkg/disk/pipeline"
	"github.com/carosio/carosbuild/pkg/disk/vhd"
	"github.com/carosio/carosbuild/pkg/disk/vmdk"
)

// WriteOptions are the options of Write.
type WriteOptions struct {
	Seed     []byte // from which the identifiers in a VMDK or VHD are derived, as in Spec
	Time     int64  // seconds since 1970, for formats that contain a time
	Level    int    // compression level, 1 (fast) to 9 (small); 0 means the format's default; xz has only one
	Workers  int    // 0 means one per CPU
	Progress func(done, total int64)
	Sum      func(path, sha256 string) // gets the digests, in hexadecimal digits, of files whose format is written front to back, and of OVA
	Mode     os.FileMode               // permissions of files; 0 leaves them to the umask
	BlockMap bool                      // write NAME.bmap beside raw files too
	Stdout   io.Writer                 // where StandardOutput leads
	VM       *ova.VM                   // for OVA; nil means the defaults
	ISO      *iso.Options              // for ISO: what the disc boots, see Layout.ISO
}

// Write writes the image to one output: WriteAll.
func Write(ctx context.Context, path, format string, m *image.Image, o WriteOptions) error {
	return WriteAll(ctx, []Output{{path, Format(format)}}, m, o)
}

// WriteAll writes the image to all outputs in one pass over it. Files are written
// durably and all or nothing: old files stay until all new ones are complete, and
// are unchanged if there is an error. Block devices must not be in use and are
// written in place, pipes front to back.
func WriteAll(ctx context.Context, outs []Output, m *image.Image, o WriteOptions) error {
	return WriteEach(ctx, []Job{{Outputs: outs, Image: m, Options: o}})
}

// Job is one disk for WriteEach.
type Job struct {
	Outputs []Output
	Image   *image.Image
	Options WriteOptions
}

// WriteEach is WriteAll for several disks, with one pass over each: no file appears
// before all files of all disks are complete.
func WriteEach(ctx context.Context, jobs []Job) error {
	var all []*writing
	var outs []Output
	for _, j := range jobs {
		outs = append(outs, j.Outputs...)
		targets, err := resolve(outs, j.Options) // against those of earlier disks
		if err != nil {
			return err
		}
		all = append(all, &writing{m: j.Image, o: j.Options, targets: targets[len(targets)-len(j.Outputs):]})
	}
	err := room(all)
	if err == nil {
		err = each(all, func(w *writing) error { return w.open(ctx) })
	}
	if err == nil {
		err = each(all, func(w *writing) error { return pipeline.Run(ctx, w.m, w.options(), w.sinks...) })
	}
	for _, step := range []func(*writing) error{(*writing).complete, (*writing).appear} {
		if err == nil {
			err = each(all, step)
		}
	}
	for _, w := range slices.Backward(all) {
		err = errors.Join(err, w.explain(w.close()))
	}
	return err
}

// room checks whether the disks fit, before a byte is written.
func room(all []*writing) error {
	var need []Claim
	for _, w := range all {
		need = append(need, claims(w.targets, w.m)...)
	}
	if err := CheckSpace(need); err != nil {
		return fmt.Errorf("not enough space for the outputs: %w", err)
	}
	return nil
}

// each stops at the first error, and says what it is about.
func each(all []*writing, f func(*writing) error) error {
	for _, w := range all {
		if err := f(w); err != nil {
			return w.explain(err)
		}
	}
	return nil
}

// writing has what WriteEach has open for one disk.
type writing struct {
	targets []target
	m       *image.Image
	o       WriteOptions
	sinks   []pipeline.Sink
	files   []*unfinished
	devices []*os.File
	closers []func() error
	sums    []func() // report the digests of the files that have one
}

// options chooses chunks that suit all targets, and twice as many workers if half
// of them will wait for a disk.
func (w *writing) options() pipeline.Options {
	po := pipeline.Options{Workers: w.o.Workers, Progress: w.o.Progress}
	for _, t := range w.targets {
		if t.format.packed() {
			po.Chunk = packBlock
		}
		if w.o.Workers <= 0 && t.format == Raw {
			po.Workers = 2 * runtime.GOMAXPROCS(0)
		}
	}
	return po
}

func (w *writing) open(ctx context.Context) error {
	for _, t := range w.targets {
		if err := w.openTarget(ctx, t); err != nil {
			return err
		}
	}
	return nil
}

func (w *writing) openTarget(ctx context.Context, t target) error {
	var err error
	switch t.kind {
	case toFile:
		err = w.openFile(t)
	case toDevice:
		err = w.openDevice(ctx, t)
	case toPipe:
		err = w.openPipe(ctx, t)
	}
	if err != nil {
		return &outputError{t, err}
	}
	return nil
}

// add adds a sink whose errors are about t.
func (w *writing) add(t target, s pipeline.Sink, err error) error {
	if err == nil {
		w.sinks = append(w.sinks, outputSink{s, t})
	}
	return err
}

// create begins a regular file.
func (w *writing) create(path string) (*os.File, error) {
	f, err := newFile(path)
	if err != nil {
		return nil, err
	}
	w.files = append(w.files, f)
	if w.o.Mode != 0 {
		err = f.Chmod(w.o.Mode)
	}
	return f.File, err
}

// direct writes to f without the page cache, if f is a real file.
func (w *writing) direct(f file) io.WriterAt {
	real, ok := f.(*os.File)
	if !ok {
		return f
	}
	d := openDirect(real)
	w.closers = append(w.closers, d.close)
	return d
}

// file is what the formats need of a file; tests have files that fail.
type file interface {
	io.Writer
	io.WriterAt
	Truncate(size int64) error
}

func (w *writing) openFile(t target) error {
	return w.fileSinks(t, func(path string) (file, error) { return w.create(path) })
}

// fileSinks adds the sinks for all files of a target.
func (w *writing) fileSinks(t target, create func(path string) (file, error)) error {
	f, err := create(t.files[0])
	if err != nil {
		return err
	}
	if err := w.fileSink(t, f); err != nil || len(t.files) == 1 {
		return err
	}
	if f, err = create(t.files[1]); err != nil {
		return err
	}
	return t.format.code().finish(w, t, f)
}

// finishMap writes the block map.
func finishMap(w *writing, t target, f file) error {
	s, err := bmap.New(f, w.m.Size())
	return w.add(t, s, err)
}

// fileSink adds the sink of a format for the file f.
func (w *writing) fileSink(t target, f file) error {
	if sink := t.format.code().sink; sink != nil {
		return sink(w, t, f)
	}
	return sinkStream(w, t, f)
}

// sectors rounds up to whole sectors.
func sectors(size int64) int64 { return (size + 511) / 512 * 512 }

func (w *writing) rawSink(t target, f file, size int64, after []byte) error {
	if err := f.Truncate(size); err != nil {
		return err
	}
	return w.add(t, &rawSink{w: w.direct(f), size: size, after: after}, nil)
}

// streamSink is a sink that writes front to back.
func (w *writing) streamSink(t target, to io.Writer) (pipeline.Sink, error) {
	if stream := t.format.code().stream; stream != nil {
		return stream(w, t, to)
	}
	return nil, fmt.Errorf("disk format %q is not written front to back", t.format)
}

func (w *writing) openDevice(ctx context.Context, t target) error {
	f, err := openDevice(t.path, w.m.Size())
	if err != nil {
		return err
	}
	w.devices = append(w.devices, f)
	return w.deviceSink(ctx, t, f)
}

// deviceSink adds a sink for f, which may contain any data.
func (w *writing) deviceSink(ctx context.Context, t target, f *os.File) error {
	zero := func(off, n int64) error { return zeroRange(ctx, f, off, n) }
	return w.add(t, &rawSink{w: w.direct(f), zero: zero, size: w.m.Size()}, nil)
}

func (w *writing) openPipe(ctx context.Context, t target) error {
	to := w.o.Stdout
	if t.path != StandardOutput {
		f, err := openPipe(ctx, t.path)
		if err != nil {
			return err
		}
		stop := unblock(ctx, f)
		w.closers = append(w.closers, func() error { stop(); return f.Close() })
		to = f
	}
	switch {
	case to == nil:
		return errors.New("there is no standard output")
	case isTerminal(to):
		return errors.New("it is a terminal, and a disk is binary data")
	}
	s, err := w.streamSink(t, to)
	return w.add(t, s, err)
}

// complete makes everything durable.
func (w *writing) complete() error {
	for _, f := range w.devices {
		if err := f.Sync(); err != nil {
			return &outputError{target{path: f.Name(), kind: toDevice}, err}
		}
	}
	return w.eachFile((*unfinished).finish)
}

// appear makes the files visible.
func (w *writing) appear() error {
	err := w.eachFile((*unfinished).commit)
	for _, report := range w.sums {
		if err == nil {
			report()
		}
	}
	return err
}

func (w *writing) eachFile(f func(*unfinished) error) error {
	for _, u := range w.files {
		if err := f(u); err != nil {
			return &outputError{target{path: u.path}, err}
		}
	}
	return nil
}

// close closes everything in reverse order, and removes files that were not
// committed.
func (w *writing) close() error {
	var err error
	for _, c := range slices.Backward(w.closers) {
		err = errors.Join(err, c())
	}
	for _, f := range w.devices {
		err = errors.Join(err, f.Close())
	}
	for _, f := range w.files {
		err = errors.Join(err, f.close())
	}
	return err
}

// flushed is a sink that writes into a buffer.
type flushed struct {
	pipeline.Sink
	flush func() error
}

func (f flushed) End() error {
	if err := f.Sink.End(); err != nil {
		return err
	}
	return f.flush()
}

func (o WriteOptions) vmdk(t target) vmdk.Options {
	name := filepath.Base(t.path)
	if t.path == StandardOutput {
		name = "disk.vmdk"
	}
	content := derive(o.Seed, "vmdk content id")
	return vmdk.Options{
		Name: name, CID: binary.BigEndian.Uint32(content[12:]), UUID: deriveUUID(o.Seed, "vmdk uuid"), LongContentID: content,
		Level: o.Level, Workers: o.Workers, Progress: o.Progress,
	}
}

func (o WriteOptions) vhd() vhd.Options {
	return vhd.Options{UUID: deriveUUID(o.Seed, "vhd uuid"), Time: o.Time}
}
