// This Source Code Form is subject to the terms of the Mozilla Public
// License, v. 2.0. If a copy of the MPL was not distributed with this
// file, You can obtain one at https://mozilla.org/MPL/2.0/.

package disk

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"

	"github.com/carosio/carosbuild/pkg/disk/image"
	"github.com/carosio/carosbuild/pkg/disk/ova"
)

// writeOVA names the members of the archive like the archive itself.
func writeOVA(ctx context.Context, w *os.File, name string, m *image.Image, o WriteOptions) error {
	var vm ova.VM
	if o.VM != nil {
		vm = *o.VM
	}
	d := openDirect(w)
	g := gather{newStream(d)}
	name = strings.TrimSuffix(name, filepath.Ext(name))
	err := ova.Write(ctx, g, m, vm, ova.Options{Name: name, Time: o.Time, Disk: o.vmdk("")})
	if err == nil {
		err = g.flush()
	}
	return errors.Join(err, d.close())
}

// gather joins writes that follow each other, as those of a disk in an OVA do,
// to large aligned ones.
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
