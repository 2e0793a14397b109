// SPDX-License-Identifier: MPL-2.0

// Package ova writes a disk as a virtual appliance for VMware: an archive of an OVF 1.x descriptor,
// a manifest of digests, the disk as a streamOptimized VMDK and, if requested, an ISO in the CD-ROM
// drive. It also checks such archives. Signed manifests, appliances of several machines and
// properties for the guest are left out.
package ova

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"hash"
	"io"
	"math"
	"time"

	"github.com/carosio/carosbuild/pkg/disk/pipeline"
	"github.com/carosio/carosbuild/pkg/disk/vmdk"
	"github.com/carosio/carosbuild/pkg/lazyregexp"
)

// Options of Write. The same source, machine, Name, Time, identifiers and Level
// give the same bytes.
type Options struct {
	// Name begins the names in the archive: NAME.ovf, NAME-disk1.vmdk. Characters
	// that would be changed in a URL become an underscore; "" means vm.
	Name string
	Time int64 // of the members, seconds since 1970
	// Disk has identifiers, level and workers for the disk, and its progress
	// callback. The identifiers of data disks are derived
	// from these. Its Name has no
	// effect.
	Disk vmdk.Options
}

// alignment of the first disk's data in the archive, for programs that read the
// archive
const alignment = 4096

// odd matches characters that a URL (RFC 3986) or a shell would change.
var odd = lazyregexp.New(`[^A-Za-z0-9._-]`)

// Write writes the archive to w, a new and empty file. The disk is read and
// compressed once, front to back; the part before it is written last, because it
// contains the disk's size and digest. So w cannot be a pipe.
func Write(ctx context.Context, w io.WriterAt, src vmdk.Source, vm VM, o Options) error {
	s, err := New(w, src.Size(), vm, o)
	if err != nil {
		return err
	}
	return pipeline.Run(ctx, src, pipeline.Options{Workers: o.Disk.Workers, Progress: o.Disk.Progress}, s)
}

// New is the archive for a disk of size bytes that is read by a pipeline. Its sink
// writes to w, a new and empty file. The disk is read and compressed once, front to
// back; the part before it is written last, because it contains the disk's size and
// digest. So w cannot be a pipe.
func New(w io.WriterAt, size int64, vm VM, o Options) (pipeline.Sink, error) {
	if size > maxCapacity || size%mebibyte != 0 {
		return nil, fmt.Errorf("disk of %d bytes: VMware takes multiples of 1 MiB, up to 62 TiB", size)
	}
	a := &archive{w: w, o: o, name: memberName(o.Name)}
	a.vm = vm.complete(a.name)
	if err := a.plan(size); err != nil {
		return nil, err
	}
	return a, a.begin(0)
}

// memberName begins the names of the members, which have to fit into tar's 100
// bytes.
func memberName(s string) string {
	if s = odd().ReplaceAllString(s, "_"); s == "" {
		return "vm"
	}
	return s[:min(len(s), 80)]
}

// archive is an OVA that is being written.
type archive struct {
	w          io.WriterAt
	o          Options
	name       string
	vm         VM
	disks      []Disk
	sums       [][]byte // of the disks' files
	descriptor int64    // space for the descriptor
	manifest   int64    // length of the manifest
	at         int64    // offset of the next member

	pipeline.Sink // of the disk that is being written
	file          *io.OffsetWriter
	sum           hash.Hash
}

func (a *archive) writeAt(b []byte, off int64) error {
	_, err := a.w.WriteAt(b, off)
	return err
}

func (a *archive) descriptorName() string { return a.name + descriptorEnding }

// plan determines how much space descriptor and manifest take at most.
func (a *archive) plan(size int64) error {
	for i, n := range append([]int64{size}, a.vm.DataDisks...) {
		a.disks = append(a.disks, Disk{File: fmt.Sprintf("%s-disk%d.vmdk", a.name, i+1), Size: math.MaxInt64, Capacity: n})
		a.sums = append(a.sums, make([]byte, a.newHash().Size()))
	}
	if err := a.planDisc(); err != nil {
		return err
	}
	text, err := Descriptor(a.vm, a.disks)
	if err != nil {
		return err
	}
	a.manifest = int64(len(a.sumText(text)))
	rest := block + roundUp(a.manifest, block) + 2*block // with the headers of descriptor and disk
	a.descriptor = roundUp(int64(len(text))+rest, alignment) - rest
	a.at = a.descriptor + rest - block
	return nil
}

// sumText is the manifest.
func (a *archive) sumText(descriptor []byte) []byte {
	var b bytes.Buffer
	sum := a.newHash()
	sum.Write(descriptor)
	manifestLine(&b, a.vm.algorithm(), a.descriptorName(), sum.Sum(nil))
	for i, d := range a.disks {
		manifestLine(&b, a.vm.algorithm(), d.File, a.sums[i])
	}
	if d := a.vm.CDROM; d != nil {
		manifestLine(&b, a.vm.algorithm(), d.Name, a.sums[len(a.disks)])
	}
	return b.Bytes()
}

func (a *archive) newHash() hash.Hash { return newHash(a.vm.algorithm()) }

// header is the header block of a member.
func (a *archive) header(name string, size int64) ([]byte, error) {
	owner := 0
	if a.vm.Profile == Classic {
		owner = nobody
	}
	return tarHeader(name, size, a.o.Time, owner)
}

// begin begins the i-th disk.
func (a *archive) begin(i int) error {
	d, o := &a.disks[i], a.o.Disk
	if i > 0 {
		o = dataDisk(o, i)
	}
	o.Name = d.File
	a.file, a.sum = io.NewOffsetWriter(a.w, a.at+block), a.newHash()
	var err error
	if a.Sink, err = vmdk.NewStream(io.MultiWriter(a.file, a.sum), d.Capacity, o); err != nil {
		return fmt.Errorf("write %s: %w", d.File, err)
	}
	return nil
}

// end ends it.
func (a *archive) end(i int) error {
	d := &a.disks[i]
	err := a.Sink.End()
	if err == nil {
		d.Size, err = a.file.Seek(0, io.SeekCurrent)
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", d.File, err)
	}
	return a.member(i, d.File, d.Size)
}

// member writes the header of a member whose content has been written.
func (a *archive) member(i int, name string, size int64) error {
	h, err := a.header(name, size)
	if err != nil {
		return err
	}
	a.sums[i] = a.sum.Sum(nil)
	err = a.writeAt(h, a.at)
	a.at += block + roundUp(size, block)
	return err
}

// End implements pipeline.Sink. All disks after the first are empty.
func (a *archive) End() error {
	for i := range a.disks {
		if i > 0 {
			if err := a.begin(i); err != nil {
				return err
			}
		}
		if err := a.end(i); err != nil {
			return err
		}
	}
	if err := a.disc(); err != nil {
		return err
	}
	if err := a.writeAt(make([]byte, endBlocks), a.at); err != nil {
		return err
	}
	return a.front()
}

// dataDisk are the options of a data disk.
func dataDisk(o vmdk.Options, n int) vmdk.Options {
	id := sha256.Sum256(fmt.Appendf(nil, "data disk %d of %x %x", n, o.UUID, o.LongContentID))
	copy(o.UUID[:], id[:16])
	copy(o.LongContentID[:], id[16:])
	o.CID = binary.BigEndian.Uint32(o.LongContentID[12:])
	return o
}

// front writes descriptor and manifest. The unused part of the descriptor's space
// is white space at its end, which XML allows there.
func (a *archive) front() error {
	text, err := Descriptor(a.vm, a.disks)
	if err != nil {
		return err
	}
	text = append(text, bytes.Repeat([]byte{' '}, int(a.descriptor)-len(text)-1)...)
	text = append(text, '\n')
	var b []byte
	for _, m := range []struct {
		name string
		data []byte
	}{{a.descriptorName(), text}, {a.name + manifestEnding, a.sumText(text)}} {
		h, err := a.header(m.name, int64(len(m.data)))
		if err != nil {
			return err
		}
		b = append(append(b, h...), m.data...)
		b = append(b, make([]byte, roundUp(int64(len(b)), block)-int64(len(b)))...)
	}
	return a.writeAt(b, 0)
}

func unixTime(sec int64) time.Time { return time.Unix(sec, 0) }
