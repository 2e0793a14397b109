// SPDX-License-Identifier: MPL-2.0

package oci

// Limits bound the work that an input may cause for the store.
type Limits struct {
	LayerBytes int64 // size of one uncompressed layer; default 128 GiB
	Ratio      int64 // ratio of uncompressed to compressed bytes, beyond the first GiB; default 1200
	Layers     int   // layers of one image; default 480, since the kernel allows 500
	Inline     int64 // bytes of a layer's tar that are not stored in any file; default 16 MiB
}

// WithDefaults replaces zeros by the defaults.
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
