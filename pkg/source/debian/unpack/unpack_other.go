// SPDX-License-Identifier: MPL-2.0

//go:build !linux

package unpack

import (
	"context"
	"errors"
)

// Unpack writes the packages into root. It works on Linux only: other systems do
// not have Linux's owners, devices and capabilities.
func (Set) Unpack(context.Context, string, Options) error {
	return errors.New("unpack: unpacking Debian packages needs Linux")
}
