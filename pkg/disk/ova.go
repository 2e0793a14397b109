// SPDX-License-Identifier: MPL-2.0

package disk

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"

	"github.com/carosio/carosbuild/pkg/disk/ova"
)

// ovaSink names the members of the archive like the archive itself.
func (w *writing) ovaSink(t target, f file) error {
	var vm ova.VM
	if w.o.VM != nil {
		vm = *w.o.VM
	}
	to := gather{newStream(w.direct(f))}
	name := filepath.Base(t.path)
	s, err := ova.New(to, w.m.Size(), vm, ova.Options{Name: strings.TrimSuffix(name, filepath.Ext(name)), Time: w.o.Time, Disk: w.o.vmdk(t)})
	return w.add(t, flushed{s, func() error { return errors.Join(to.flush(), w.sumOVA(t, f)) }}, err)
}

// sumOVA reads the archive again for its digest, since its beginning is written
// last. It is compressed, and therefore much smaller than the disk.
func (w *writing) sumOVA(t target, f file) error {
	r, ok := f.(*os.File)
	if !ok || w.o.Sum == nil {
		return nil
	}
	sum := sha256.New()
	if _, err := io.Copy(sum, io.NewSectionReader(r, 0, math.MaxInt64)); err != nil {
		return fmt.Errorf("read it for its digest: %w", err)
	}
	w.sums = append(w.sums, func() { w.o.Sum(t.files[0], hex.EncodeToString(sum.Sum(nil))) })
	return nil
}

// gather joins consecutive writes, such as those of a disk in an OVA or a qcow2,
// into large aligned ones.
type gather struct{ *stream }

// WriteAt implements io.WriterAt.
func (g gather) WriteAt(b []byte, off int64) (int, error) {
	if off != g.off+int64(g.n) {
		if err := g.flush(); err != nil {
			return 0, err
		}
		g.off = off
	}
	return g.Write(b)
}
