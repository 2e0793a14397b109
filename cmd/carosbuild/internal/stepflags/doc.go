// SPDX-License-Identifier: MPL-2.0

// Package stepflags has the flags that say what steps may take and have: limits,
// certificates, network. Builds and shells have the same.
package stepflags
