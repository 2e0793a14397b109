// SPDX-License-Identifier: MPL-2.0

// Package history knows the builds of this machine: their ids and owners, the
// images that they have left, their reports, why a step runs again, and what may
// go. It builds nothing.
package history
