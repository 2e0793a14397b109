// SPDX-License-Identifier: MPL-2.0

//go:build !linux

package qemu

import "os/exec"

// dieTogether does nothing: only Linux can kill a program when its parent dies. The
// program still ends with its context.
func dieTogether(*exec.Cmd, bool) (done func()) { return func() {} }
