// This Source Code Form is subject to the terms of the Mozilla Public
// License, v. 2.0. If a copy of the MPL was not distributed with this
// file, You can obtain one at https://mozilla.org/MPL/2.0/.

// Package compose turns a declared disk and the root file systems of stages into
// a disk.Spec, and writes the disk.
package compose
