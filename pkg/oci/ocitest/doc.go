// This Source Code Form is subject to the terms of the Mozilla Public
// License, v. 2.0. If a copy of the MPL was not distributed with this
// file, You can obtain one at https://mozilla.org/MPL/2.0/.

// Package ocitest makes images for tests: tar streams, layouts, archives, and
// registries in the process of the test.
package ocitest
