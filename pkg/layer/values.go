// SPDX-License-Identifier: MPL-2.0

package layer

import (
	"encoding/json"
	"errors"
	"time"

	"github.com/carosio/carosbuild/pkg/oci"
)

// Paths are the directories of a store.
type Paths struct {
	GraphRoot, RunRoot string
	Driver             string // configured for podman; "" leaves it to podman
}

// Layer is one stored layer. The zero Layer, with an empty ID, is scratch: no
// files at all.
type Layer struct {
	ID     string // 64 hexadecimal digits, podman's chain id
	Parent string // ID of the layer below, "" for none
	DiffID oci.Digest
	Size   int64 // bytes of its uncompressed tar
}

// ErrUnknown says that the store has no such layer or image.
var ErrUnknown = errors.New("not in the store")

// Image is the record of one stored image.
type Image struct {
	ID      string     // hexadecimal digits of the config's SHA-256
	Names   []string   // full names with tags, such as localhost/carosbuild/x:base
	Top     string     // layer, "" for none
	Digest  oci.Digest // of the manifest
	Created time.Time
}

// Record is the result of the step with a key.
type Record struct {
	Key     string          `json:"key"`
	Layer   string          `json:"layer,omitempty"`  // ID; "" is scratch
	Config  json.RawMessage `json:"config,omitempty"` // environment, directory, user: whatever the caller needs
	Created time.Time       `json:"created"`
}
