// SPDX-License-Identifier: MPL-2.0

// Package cow has a writable block device over a read-only one: writes go to a sparse file,
// and a bitmap says which blocks are in it.
package cow

import (
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
)

// BlockSize is the unit of copying, in bytes.
const BlockSize = 4096

// Base is the read-only device below.
type Base interface {
	io.ReaderAt
	Size() int64
}

// Device is a writable device. It is safe for concurrent use.
type Device struct {
	base Base
	file *os.File // nil: read-only

	mu      sync.RWMutex
	written []uint64 // a bit for each block that is in file
	err     error    // from the first write that failed
}

// New returns a device over base. File is empty, and belongs to the device from then on; if
// it is nil, the device is read-only.
func New(base Base, file *os.File) (*Device, error) {
	d := &Device{base: base, file: file}
	if file == nil {
		return d, nil
	}
	blocks := (base.Size() + BlockSize - 1) / BlockSize
	d.written = make([]uint64, (blocks+63)/64)
	if err := file.Truncate(blocks * BlockSize); err != nil {
		return nil, fmt.Errorf("file for the data written to a disk: %w", err)
	}
	return d, nil
}

// Close closes the file.
func (d *Device) Close() error {
	if d.file == nil {
		return nil
	}
	return d.file.Close()
}

// Size is the size in bytes.
func (d *Device) Size() int64 { return d.base.Size() }

// ReadOnly reports whether the device is read-only.
func (d *Device) ReadOnly() bool { return d.file == nil }

// Err is the error of the first write that failed. The contents of the device are useless
// then, even if its user ignored the error.
func (d *Device) Err() error {
	d.mu.RLock()
	defer d.mu.RUnlock()
	return d.err
}

// Written reports whether any of the n bytes at off has been written.
func (d *Device) Written(off, n int64) bool {
	d.mu.RLock()
	defer d.mu.RUnlock()
	for b := off / BlockSize; b*BlockSize < off+n; b++ {
		if d.has(b) {
			return true
		}
	}
	return false
}

func (d *Device) has(block int64) bool {
	return d.file != nil && d.written[block/64]>>(block%64)&1 != 0
}

// run returns the end of the run of blocks from off that are all in the file, or all not, but
// at most end, and whether they are in the file.
func (d *Device) run(off, end int64) (int64, bool) {
	b := off / BlockSize
	in := d.has(b)
	for b++; b*BlockSize < end && d.has(b) == in; b++ {
		continue
	}
	return min(b*BlockSize, end), in
}

// ReadAt implements io.ReaderAt.
func (d *Device) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 {
		return 0, fmt.Errorf("read at negative offset %d", off)
	}
	d.mu.RLock()
	defer d.mu.RUnlock()
	want := len(p)
	p = p[:max(min(int64(want), d.Size()-off), 0)]
	if err := d.read(p, off); err != nil {
		return 0, err
	}
	if len(p) < want {
		return len(p), io.EOF
	}
	return len(p), nil
}

// read reads from the device, with the lock held.
func (d *Device) read(p []byte, off int64) error {
	for end := off + int64(len(p)); off < end; {
		stop, in := d.run(off, end)
		from := io.ReaderAt(d.base)
		if in {
			from = d.file
		}
		if k, err := from.ReadAt(p[:stop-off], off); int64(k) < stop-off {
			return fmt.Errorf("disk at %d: %w", off+int64(k), err)
		}
		p, off = p[stop-off:], stop
	}
	return nil
}

var errReadOnly = errors.New("the disk is read-only")

// WriteAt implements io.WriterAt.
func (d *Device) WriteAt(p []byte, off int64) (int, error) {
	err := d.change(off, int64(len(p)), func() error {
		_, err := d.file.WriteAt(p, off)
		return err
	})
	if err != nil {
		return 0, err
	}
	return len(p), nil
}

// Zero makes n bytes at off read as zeros.
func (d *Device) Zero(off, n int64) error {
	return d.change(off, n, func() error { return zero(d.file, off, n) })
}

// change calls write for a range of the file, after completing the blocks at its ends.
func (d *Device) change(off, n int64, write func() error) (err error) {
	if d.file == nil {
		return errReadOnly
	}
	if off < 0 || n < 0 || off > d.Size()-n {
		return fmt.Errorf("write of %d bytes at %d to a disk of %d bytes", n, off, d.Size())
	}
	if n == 0 {
		return nil
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	defer func() {
		if err != nil && d.err == nil {
			d.err = err
		}
	}()
	first, last := off/BlockSize, (off+n-1)/BlockSize
	if off%BlockSize != 0 {
		if err := d.fetch(first); err != nil {
			return err
		}
	}
	if (off+n)%BlockSize != 0 {
		if err := d.fetch(last); err != nil {
			return err
		}
	}
	if err := write(); err != nil {
		return fmt.Errorf("write to a disk: %w", err)
	}
	for b := first; b <= last; b++ {
		d.written[b/64] |= 1 << (b % 64)
	}
	return nil
}

// fetch copies a block of the base to the file.
func (d *Device) fetch(block int64) error {
	if d.has(block) {
		return nil
	}
	b := make([]byte, min(BlockSize, d.Size()-block*BlockSize))
	if err := d.read(b, block*BlockSize); err != nil {
		return err
	}
	if _, err := d.file.WriteAt(b, block*BlockSize); err != nil {
		return fmt.Errorf("write to a disk: %w", err)
	}
	d.written[block/64] |= 1 << (block % 64)
	return nil
}
