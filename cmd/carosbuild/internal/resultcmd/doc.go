// SPDX-License-Identifier: MPL-2.0

// Package resultcmd has the commands that hand on what a build has left: results,
// serve and release. Only Linux has them.
package resultcmd
