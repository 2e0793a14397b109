// SPDX-License-Identifier: MPL-2.0

// Package signed checks the OpenPGP signatures of files of a mirror: those that hold
// their own, and those with it beside them. Which keys count, and what is in the
// files, is the caller's affair.
package signed
