// SPDX-License-Identifier: MPL-2.0

// Package diskcmd has the commands about disks: disk, inspect, diff and boot; and what
// a build needs of them to write disks and to boot them.
package diskcmd
