// SPDX-License-Identifier: MPL-2.0

//go:build !linux

package unpack

import (
	"context"
	"errors"
)

// Unpack writes the packages into root. It needs Linux: other systems have no
// owners, devices and capabilities of Linux.
func (Set) Unpack(context.Context, string, Options) error {
	return errors.New("unpack: unpacking Debian packages needs Linux")
}
