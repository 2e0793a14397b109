// SPDX-License-Identifier: MPL-2.0

// Package targets holds the declarations that ship with the program, and the
// files that they add.
package targets

import "embed"

// FS has the declarations at its top and their files in a directory each.
//
//go:embed *.xml all:caros all:vmware all:sunxi all:arm64
var FS embed.FS
