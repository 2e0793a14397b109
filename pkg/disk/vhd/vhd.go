// This Source Code Form is subject to the terms of the Mozilla Public
// License, v. 2.0. If a copy of the MPL was not distributed with this
// file, You can obtain one at https://mozilla.org/MPL/2.0/.

// Package vhd writes and reads the disk format of Hyper-V's first generation
// and of Azure, fixed and dynamic. Differencing disks are left out.
package vhd
