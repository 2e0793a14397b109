// SPDX-License-Identifier: MPL-2.0

package oci

import (
	"archive/tar"
	"context"
	"encoding/json"
	"path/filepath"
	"time"

	"github.com/carosio/carosbuild/pkg/ctxio"
	"github.com/carosio/carosbuild/pkg/freshfile"
)

// writeArchive writes the format of docker save. Names and times depend only on the
// image.
func (i Stored) writeArchive(ctx context.Context, path, n string) error {
	entry := struct {
		Config   string
		RepoTags []string
		Layers   []string
	}{Config: i.ID + ".json", RepoTags: i.Names, Layers: []string{}}
	if n != "" {
		full, err := FullName(n)
		if err != nil {
			return err
		}
		entry.RepoTags = []string{full}
	}
	prefix := "." + filepath.Base(path) + ".new-"
	freshfile.Sweep(filepath.Dir(path), prefix)
	f, err := freshfile.Create(filepath.Dir(path), prefix)
	if err != nil {
		return err
	}
	w := tar.NewWriter(f)
	write := func(name string, data []byte) error {
		err := w.WriteHeader(archiveHeader(name, int64(len(data))))
		if err == nil {
			_, err = w.Write(data)
		}
		return err
	}
	err = write(entry.Config, i.Config)
	written := map[string]bool{}
	for _, l := range i.Layers {
		name := l.DiffID.Hex + ".tar"
		entry.Layers = append(entry.Layers, name)
		if err != nil || written[name] {
			continue
		}
		written[name] = true
		err = archiveLayer(ctx, w, name, l)
	}
	err = i.explain(ctx, err)
	if err == nil {
		var doc []byte
		if doc, err = json.Marshal([]any{entry}); err == nil {
			err = write("manifest.json", doc)
		}
	}
	if err == nil {
		err = w.Close()
	}
	return freshfile.Finish(f, path, 0o644, err)
}

func archiveLayer(ctx context.Context, w *tar.Writer, name string, l StoredLayer) error {
	size := l.Size
	if size < 0 {
		var n counter
		if err := l.Write(&n); err != nil {
			return err
		}
		size = int64(n)
	}
	if err := w.WriteHeader(archiveHeader(name, size)); err != nil {
		return err
	}
	return l.Write(ctxio.Writer(ctx, w))
}

func archiveHeader(name string, size int64) *tar.Header {
	return &tar.Header{Typeflag: tar.TypeReg, Name: name, Size: size, Mode: 0o644, ModTime: time.Unix(0, 0), Format: tar.FormatPAX}
}
