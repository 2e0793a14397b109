// SPDX-License-Identifier: MPL-2.0

// Package vhd writes and reads the disk format of Hyper-V's first generation
// and of Azure, fixed and dynamic. Differencing disks are left out.
package vhd
