// SPDX-License-Identifier: MPL-2.0

// Package resolve looks up what a declaration names: images, suites of packages,
// git revisions and files of this machine. It remembers what names that move were
// resolved to, in pins and in the lock file. It builds nothing.
package resolve
