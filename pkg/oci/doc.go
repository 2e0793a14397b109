// SPDX-License-Identifier: MPL-2.0

// Package oci has images as values: references to them, their configuration and
// platform, layouts and docker archives, compressed layers in a cache, and
// uncompressed layers as tar streams that can be read at any offset.
//
// A Source is an image that has been found somewhere; a Stored is an image of a
// local store that is to be pushed or exported. Package oci/registry talks to
// registries; what becomes of a layer on a disk is up to a store.
package oci
