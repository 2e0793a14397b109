// SPDX-License-Identifier: MPL-2.0

// Package diskcmd has the commands for disks: disk, inspect, diff and boot. It also
// has the parts of them with which a build writes and boots disks.
package diskcmd
