// This Source Code Form is subject to the terms of the Mozilla Public
// License, v. 2.0. If a copy of the MPL was not distributed with this
// file, You can obtain one at https://mozilla.org/MPL/2.0/.

package disk

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/carosio/carosbuild/pkg/disk/image"
	"github.com/carosio/carosbuild/pkg/disk/ova"
	"github.com/carosio/carosbuild/pkg/disk/vmdk"
)

// WriteOptions of Write.
type WriteOptions struct {
	Seed     []byte // what the identifiers in a VMDK derive from, as in Spec
	Level    int    // of compression, 1 to 9; 0 means the format's default
	Workers  int    // 0 means one a CPU
	Progress func(done, total int64)
	Mode     os.FileMode // of the file; 0 leaves it to the umask
	VM       *ova.VM     // with OVA; nil means the defaults
	Time     int64       // of the files in an OVA, seconds since 1970
}

// Write writes the image to the file path in a format ("" means by path's
// ending), durably and all or nothing: a file that was there stays until the
// new one is complete, and is untouched when there is an error.
func Write(ctx context.Context, path, format string, m *image.Image, o WriteOptions) error {
	f, err := FormatFor(format, path)
	if err != nil {
		return err
	}
	return WriteFile(path, func(w *os.File) error {
		if o.Mode != 0 {
			if err := w.Chmod(o.Mode); err != nil {
				return err
			}
		}
		return writeTo(ctx, w, filepath.Base(path), f, m, o)
	})
}

func writeTo(ctx context.Context, w *os.File, name string, f Format, m *image.Image, o WriteOptions) error {
	switch f {
	case Raw:
		if err := w.Truncate(m.Size()); err != nil {
			return err
		}
		d := openDirect(w)
		return errors.Join(WriteRaw(ctx, d, m, o.Workers, o.Progress), d.close())
	case VMDK:
		d := openDirect(w)
		s := newStream(d)
		err := WriteStream(ctx, s, name, m, o)
		if err == nil {
			err = s.flush()
		}
		return errors.Join(err, d.close())
	case OVA:
		return writeOVA(ctx, w, name, m, o)
	case VMDKSparse:
		return vmdk.WriteSparse(ctx, w, m, o.vmdk(name))
	}
	return fmt.Errorf("disk format %q is not known", f)
}

// WriteStream writes the image as a streamOptimized VMDK called name, front to
// back, as an OVA takes it.
func WriteStream(ctx context.Context, w io.Writer, name string, m *image.Image, o WriteOptions) error {
	return vmdk.WriteStream(ctx, w, m, o.vmdk(name))
}

func (o WriteOptions) vmdk(name string) vmdk.Options {
	content := derive(o.Seed, "vmdk content id")
	return vmdk.Options{
		Name: name, CID: binary.BigEndian.Uint32(content[12:]), UUID: deriveUUID(o.Seed, "vmdk uuid"), LongContentID: content,
		Level: o.Level, Workers: o.Workers, Progress: o.Progress,
	}
}
