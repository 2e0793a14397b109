// SPDX-License-Identifier: MPL-2.0

package oci

import (
	"bytes"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// Digest is the digest of a blob, a layer or an image.
type Digest = v1.Hash

// Descriptor says where a blob is and what it contains (image-spec descriptor.md).
type Descriptor = v1.Descriptor

// ParseDigest reads a digest such as sha256:01ab...
func ParseDigest(s string) (Digest, error) { return v1.NewHash(s) }

// DigestOf is the SHA-256 of a document.
func DigestOf(doc []byte) Digest {
	h, _, _ := v1.SHA256(bytes.NewReader(doc)) // reading from memory cannot fail
	return h
}
