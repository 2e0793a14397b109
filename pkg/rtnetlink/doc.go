// SPDX-License-Identifier: MPL-2.0

// Package rtnetlink sets routes and routing rules with the kernel's rtnetlink(7).
package rtnetlink
