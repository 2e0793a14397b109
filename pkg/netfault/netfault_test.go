// SPDX-License-Identifier: MPL-2.0

package netfault

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/url"
	"os"
	"testing"
)

type fault bool

func (f fault) Error() string      { return "fault" }
func (f fault) NetworkFault() bool { return bool(f) }

func TestIs(t *testing.T) {
	down := &net.OpError{Op: "dial", Err: errors.New("refused")}
	for _, tt := range []struct {
		err  error
		want bool
	}{
		{nil, false},
		{errors.New("other"), false},
		{&fs.PathError{Op: "open", Path: "x", Err: fs.ErrNotExist}, false},
		{down, true},
		{fmt.Errorf("fetch: %w", &net.DNSError{Err: "no such host"}), true},
		{&url.Error{Op: "Get", URL: "http://h/", Err: errors.New("EOF")}, true},
		{os.ErrDeadlineExceeded, true},
		{fmt.Errorf("fetch: %w", fault(true)), true},
		{fault(false), false},
		{errors.Join(fault(false), down), false},
	} {
		if got := Is(tt.err); got != tt.want {
			t.Errorf("%v: got %v, want %v", tt.err, got, tt.want)
		}
	}
}
