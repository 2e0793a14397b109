// SPDX-License-Identifier: MPL-2.0

package oci

import (
	"errors"
	"io"
)

// Stored implements Images: until Close, the image can be pushed and exported like
// an image of a store. It is found under any name.
func (t *Tars) Stored(string) (Stored, error) {
	if t.raw == nil {
		return Stored{}, errors.New("scratch is not an image")
	}
	out := Stored{ID: DigestOf(t.raw).Hex, Config: t.raw}
	for _, l := range t.Layers {
		out.Layers = append(out.Layers, StoredLayer{DiffID: l.DiffID, Size: l.Size, Write: func(w io.Writer) error {
			_, err := io.Copy(w, io.NewSectionReader(l, 0, l.Size))
			return err
		}})
	}
	return out, nil
}
