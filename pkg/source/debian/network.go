// This Source Code Form is subject to the terms of the Mozilla Public
// License, v. 2.0. If a copy of the MPL was not distributed with this
// file, You can obtain one at https://mozilla.org/MPL/2.0/.

package debian

import (
	"errors"
	"net"
	"net/url"
)

// IsNetwork reports whether a mirror could not be reached, or did not give
// what it should: nothing that a declaration or this host could mend.
func IsNetwork(err error) bool {
	var s *statusError
	var t *transferError
	var u *url.Error
	var op *net.OpError // not net.Error: every system error is one
	var dns *net.DNSError
	return errors.As(err, &s) || errors.As(err, &t) || errors.As(err, &u) || errors.As(err, &op) || errors.As(err, &dns)
}
