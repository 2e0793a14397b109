// SPDX-License-Identifier: MPL-2.0

package oci

import "github.com/carosio/carosbuild/pkg/evict"

// Units are the blobs, the notes about layers and what was put aside, to be removed
// one by one: a note without its blob counts as none.
func (b BlobCache) Units() ([]evict.Unit, error) {
	return evict.Units(b.blobsDir(), b.indexDir(), b.quarantineDir())
}

// Units are the layers, each together with its sum, and as one what was put aside.
func (c TarCache) Units() ([]evict.Unit, error) {
	units, err := evict.Units(c.Dir)
	return evict.Together(units), err
}
