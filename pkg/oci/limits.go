// SPDX-License-Identifier: MPL-2.0

package oci

// Limits bound what an input may make the store do.
type Limits struct {
	LayerBytes int64 // of one uncompressed layer; default 128 GiB
	Ratio      int64 // uncompressed to compressed bytes, beyond the first GiB; default 1200
	Layers     int   // of one image; default 480, for the kernel takes 500
	Inline     int64 // bytes of a layer's tar that no stored file holds; default 16 MiB
}

// WithDefaults has the defaults in place of zeros.
func (l Limits) WithDefaults() Limits {
	if l.LayerBytes == 0 {
		l.LayerBytes = 128 << 30
	}
	if l.Ratio == 0 {
		l.Ratio = 1200
	}
	if l.Layers == 0 {
		l.Layers = 480
	}
	if l.Inline == 0 {
		l.Inline = 16 << 20
	}
	return l
}
