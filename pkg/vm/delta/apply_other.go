// SPDX-License-Identifier: MPL-2.0

//go:build !linux

package delta

import (
	"context"
	"errors"
)

// ApplyOptions say what can be applied to a directory.
type ApplyOptions struct {
	Owner func(dir int, name string, uid, gid uint32) error
}

// Apply is not supported: it needs Linux.
func Apply(context.Context, string, []Change, ApplyOptions) error { return errors.ErrUnsupported }
