// SPDX-License-Identifier: MPL-2.0

// Package wks reads kickstart files of wic, OpenEmbedded's tool for disk images,
// and makes a <disk> from them that takes its parts from the files that bitbake has
// deployed. It opens no files except for those that a kickstart file includes. What
// a disk cannot express becomes a finding with its place.
package wks
