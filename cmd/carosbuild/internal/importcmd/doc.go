// SPDX-License-Identifier: MPL-2.0

// Package importcmd has the command import, which prints the declaration that a
// project of kas or a kickstart file of wic stands for.
package importcmd
