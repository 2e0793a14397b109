// SPDX-License-Identifier: MPL-2.0

package results

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"path"

	"github.com/klauspost/compress/gzip"
)

// WriteTar writes files as a tar stream, front to back, each below prefix. They
// are the superuser's and readable.
func WriteTar(ctx context.Context, w io.Writer, prefix string, files []File) error {
	tw := tar.NewWriter(w)
	for _, f := range files {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := member(tw, prefix, f); err != nil {
			return fmt.Errorf("archive %s: %w", f.path, err)
		}
	}
	return tw.Close()
}

func member(tw *tar.Writer, prefix string, f File) error {
	file, err := f.Open()
	if err != nil {
		return err
	}
	defer file.Close()
	h := &tar.Header{Name: path.Join(prefix, f.Name), Size: f.Size, Mode: 0o644, ModTime: f.ModTime.Truncate(1e9), Typeflag: tar.TypeReg}
	if err := tw.WriteHeader(h); err != nil {
		return err
	}
	_, err = io.CopyN(tw, file, f.Size)
	return err
}

// WriteTarGzip is WriteTar, compressed.
func WriteTarGzip(ctx context.Context, w io.Writer, prefix string, files []File) error {
	gz := gzip.NewWriter(w)
	return errors.Join(WriteTar(ctx, gz, prefix, files), gz.Close())
}
