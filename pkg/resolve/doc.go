// This Source Code Form is subject to the terms of the Mozilla Public
// License, v. 2.0. If a copy of the MPL was not distributed with this
// file, You can obtain one at https://mozilla.org/MPL/2.0/.

// Package resolve looks up what a declaration names: images, suites of packages,
// git revisions and files of this machine. It remembers what names that move were
// resolved to, in pins and in the lock file. It builds nothing.
package resolve
