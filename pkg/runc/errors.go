// This Source Code Form is subject to the terms of the Mozilla Public
// License, v. 2.0. If a copy of the MPL was not distributed with this
// file, You can obtain one at https://mozilla.org/MPL/2.0/.

package runc

import (
	"errors"
	"fmt"
	"strings"
)

// HostError says that the host lacks something the sandbox needs: what was
// tried, and the one thing that mends it.
type HostError struct {
	Tried string // what failed, with the reason
	Cure  string // a command or a setting
	Err   error  // may be nil
}

func (e *HostError) Error() string {
	var b strings.Builder
	b.WriteString(e.Tried)
	if e.Err != nil {
		fmt.Fprintf(&b, ": %v", e.Err)
	}
	if e.Cure != "" {
		fmt.Fprintf(&b, "\n  remedy: %s", e.Cure)
	}
	return b.String()
}

func (e *HostError) Unwrap() error { return e.Err }

// IsHostError reports whether err says that the host lacks something.
func IsHostError(err error) bool {
	var h *HostError
	return errors.As(err, &h)
}
