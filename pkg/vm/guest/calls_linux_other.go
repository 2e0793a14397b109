// SPDX-License-Identifier: MPL-2.0

//go:build linux && !amd64 && !arm64

package guest

func nativeCalls() []calls { return nil }
