// SPDX-License-Identifier: MPL-2.0

// Package signed verifies the OpenPGP signatures of files of a mirror, both embedded
// and detached ones. Which keys are trusted, and what is in the files, is up to the
// caller.
package signed
