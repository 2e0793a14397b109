// SPDX-License-Identifier: MPL-2.0

package oci

import "github.com/carosio/carosbuild/pkg/evict"

// Units are what may be removed one by one: the blobs, the notes about layers, and
// quarantined blobs. A note without its blob is ignored.
func (b BlobCache) Units() ([]evict.Unit, error) {
	return evict.Units(b.blobsDir(), b.indexDir(), b.quarantineDir())
}

// Units are the layers, each together with its checksum, and the quarantined layers
// as one unit.
func (c TarCache) Units() ([]evict.Unit, error) {
	units, err := evict.Units(c.Dir)
	return evict.Together(units), err
}
