// SPDX-License-Identifier: MPL-2.0

// Package importcmd has the command import, which prints the declaration for a
// project of kas or a kickstart file of wic.
package importcmd
