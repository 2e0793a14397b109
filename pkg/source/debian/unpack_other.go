// SPDX-License-Identifier: MPL-2.0

//go:build !linux

package debian

import (
	"context"
	"errors"
)

// Unpack writes the base set of r into root. It needs Linux: other systems have
// no owners, devices and capabilities of Linux.
func (*Fetcher) Unpack(context.Context, *Resolution, string) error {
	return errors.New("unpack: unpacking Debian packages needs Linux")
}
