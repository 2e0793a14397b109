// SPDX-License-Identifier: MPL-2.0

// Package offline is about builds without a network. Lacking lists all that the steps of a
// plan need and this machine does not have. Collect writes what they need into a folder,
// and Open checks such a folder, which may come from anywhere: its list has the digest of
// each file, so that damage is found, but it is not trusted for anything else. What is in the
// folder is read as if a mirror, a registry or a git server had sent it, by code that checks
// signatures, the digests of the lock file, and commit ids.
//
// It leaves out looking names up, and reading the parts of a folder, which the packages do
// that otherwise fetch them.
package offline
