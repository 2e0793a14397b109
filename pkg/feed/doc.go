// SPDX-License-Identifier: MPL-2.0

// Package feed works on package feeds: directories of .ipk and .deb packages
// with an index that opkg and apt read.
//
//	Scan       the packages of files and directories
//	Inspect    what one package says and holds, with a fingerprint
//	Compare    which packages of a new feed equal those of an older one: a
//	           Plan
//	Plan.Write the feed that holds the older packages in place of equal ones
//	WriteIndex Packages, Packages.gz and apt's Release
//
// Packages are streamed, never unpacked to a disk, and not trusted: see
// debfile.Limits. What it leaves out: signatures, downloads, installing.
package feed
