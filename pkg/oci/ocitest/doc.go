// SPDX-License-Identifier: MPL-2.0

// Package ocitest makes images for tests: tar streams, layouts, archives, and
// registries in the process of the test.
package ocitest
