// SPDX-License-Identifier: MPL-2.0

// Package wks reads kickstart files of wic, OpenEmbedded's maker of disk images,
// and makes a <disk> of them that takes its parts from what bitbake has deployed.
// It opens no files but those that a file includes. What a disk cannot say becomes
// a finding with its place.
package wks
