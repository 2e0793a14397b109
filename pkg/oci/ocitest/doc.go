// SPDX-License-Identifier: MPL-2.0

// Package ocitest makes images for tests: tar streams, layouts, archives, and
// registries inside the test process.
package ocitest
