// SPDX-License-Identifier: MPL-2.0

package disk

import (
	"errors"
	"io"

	"github.com/carosio/carosbuild/pkg/disk/iso"
	"github.com/carosio/carosbuild/pkg/disk/partition"
	"github.com/carosio/carosbuild/pkg/disk/pipeline"
)

// ISO has what makes the disk a disc: its EFI system partition, the boot image for
// a BIOS or nil, and a volume id, which is made from name and differs from all
// labels of file systems. Time is in seconds since 1970.
func (l *Layout) ISO(name string, time int64, bios []byte) *iso.Options {
	o := &iso.Options{Size: l.Image.Size(), Limit: l.Image.NextExtent(iso.Start), Time: time, BIOS: bios}
	var labels []string
	for _, p := range l.Partitions {
		labels = append(labels, p.Label)
		o.Limit = min(o.Limit, p.Start)
		if IsESP(p.Type) && o.EFI.Len == 0 {
			o.EFI = iso.Region{Off: p.Start, Len: p.Size}
		}
	}
	o.ID = iso.VolumeID(name, labels...)
	return o
}

// IsESP reports whether a partition type, name or GUID, is that of EFI system
// partitions.
func IsESP(typ string) bool {
	guid, err := partition.TypeGUID(typ)
	return err == nil && partition.TypeName(guid) == "esp"
}

// isoSink writes the disk, and in its free bytes the volume that makes it a disc.
func (w *writing) isoSink(t target, f file) error {
	if w.o.ISO == nil {
		return errors.New("format iso is for a disk that is composed here: it has to be known what it boots")
	}
	v, err := iso.Volume(*w.o.ISO)
	if err != nil {
		return err
	}
	if err := f.Truncate(w.m.Size()); err != nil {
		return err
	}
	to := w.direct(f)
	return w.add(t, disc{&rawSink{w: to, size: w.m.Size()}, to, v}, nil)
}

// disc is a sink that writes an ISO 9660 volume at the end.
type disc struct {
	pipeline.Sink
	to     io.WriterAt
	volume []byte
}

// End implements pipeline.Sink.
func (d disc) End() error {
	if err := d.Sink.End(); err != nil {
		return err
	}
	_, err := d.to.WriteAt(d.volume, iso.Start)
	return err
}
