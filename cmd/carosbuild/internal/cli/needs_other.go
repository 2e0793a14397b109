// SPDX-License-Identifier: MPL-2.0

//go:build !linux

package cli

import (
	"fmt"
	"runtime"

	"github.com/carosio/carosbuild/pkg/remedy"
)

// NeedsLinux is the error for what works with the store of images.
func NeedsLinux(what string) error {
	return &remedy.Error{
		Tried: fmt.Sprintf("%s needs Linux, and this is %s", what, runtime.GOOS),
		Cure:  "run it in a virtual machine or a container with Linux; carosbuild --help lists what works here",
	}
}
