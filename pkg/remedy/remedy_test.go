// SPDX-License-Identifier: MPL-2.0

package remedy

import (
	"errors"
	"fmt"
	"io/fs"
	"testing"
)

func TestError(t *testing.T) {
	for want, e := range map[string]*Error{
		"open /dev/kvm":                                              {Tried: "open /dev/kvm"},
		"open /dev/kvm: permission denied":                           {Tried: "open /dev/kvm", Err: fs.ErrPermission},
		"open /dev/kvm\n  remedy: adduser me kvm":                    {Tried: "open /dev/kvm", Cure: "adduser me kvm"},
		"open /dev/kvm: permission denied\n  remedy: adduser me kvm": {Tried: "open /dev/kvm", Err: fs.ErrPermission, Cure: "adduser me kvm"},
	} {
		if got := e.Error(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// What the host lacks is seen through whatever is said around it.
func TestIs(t *testing.T) {
	e := &Error{Tried: "mount", Err: fs.ErrPermission}
	for _, err := range []error{e, fmt.Errorf("build: %w", e), errors.Join(errors.New("other"), e)} {
		if !Is(err) || !errors.Is(err, fs.ErrPermission) {
			t.Errorf("%v: %v, %v", err, Is(err), errors.Is(err, fs.ErrPermission))
		}
	}
	for _, err := range []error{nil, fs.ErrPermission, errors.New(e.Error())} {
		if Is(err) {
			t.Errorf("%v counts as what the host lacks", err)
		}
	}
}
