// SPDX-License-Identifier: MPL-2.0

//go:build linux && !amd64 && !arm64

package guest

// nativeCalls are not known: nothing is filtered.
func nativeCalls() (arch, socket uint32, durable []uint32) { return 0, 0, nil }
