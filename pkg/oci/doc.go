// SPDX-License-Identifier: MPL-2.0

// Package oci has images as values: references to them, their configuration and
// platform, layouts and docker archives, compressed layers in a cache, and plain
// layers as tar streams that can be read at any offset.
//
// A Source is an image that has been found somewhere; a Stored is one of a local
// store, on its way out. How registries are spoken to is oci/registry's
// business, and what a layer becomes on a disk that of a store.
package oci
