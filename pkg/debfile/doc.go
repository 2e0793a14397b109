// SPDX-License-Identifier: MPL-2.0

// Package debfile reads the files that .deb and .ipk packages are: ar archives
// (deb(5)), or a gzip'd tar of the same members as old ipkg made them; the
// paragraphs of control files; the compressions in use. It writes a package
// again with another control file and nothing else changed.
//
// Nothing is unpacked to a disk, and nothing that a package says is trusted:
// Limits bound what it may hold.
//
// What it leaves out: what a package's fields mean, versions and relations.
package debfile
