// This Source Code Form is subject to the terms of the Mozilla Public
// License, v. 2.0. If a copy of the MPL was not distributed with this
// file, You can obtain one at https://mozilla.org/MPL/2.0/.

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
