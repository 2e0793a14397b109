// This Source Code Form is subject to the terms of the Mozilla Public
// License, v. 2.0. If a copy of the MPL was not distributed with this
// file, You can obtain one at https://mozilla.org/MPL/2.0/.

// Package oci has images as values: references to them, their configuration and
// platform, layouts and docker archives, compressed layers in a cache, and plain
// layers as tar streams that can be read at any offset.
//
// A Source is an image that has been found somewhere; a Stored is one of a local
// store, on its way out. How registries are spoken to is oci/registry's
// business, and what a layer becomes on a disk that of a store.
package oci
