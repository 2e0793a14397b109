// SPDX-License-Identifier: MPL-2.0

// Package resolve looks up what a declaration names: images, suites of packages,
// git revisions and files of this machine. It remembers in pins and in the lock
// file what changing names, such as tags and branches, were resolved to. It builds
// nothing.
package resolve
