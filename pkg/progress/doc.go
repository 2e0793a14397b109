// SPDX-License-Identifier: MPL-2.0

// Package progress has the events by which a build tells how far it is.
package progress
