// SPDX-License-Identifier: MPL-2.0

// Package sums records the files of a layer with a checksum of each content, and finds out
// later whether a layer, or a mount of several, still has them. It is about layers as Linux
// mounts them; elsewhere the package is empty.
package sums
