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
	var n net.Error
	return errors.As(err, &s) || errors.As(err, &t) || errors.As(err, &u) || errors.As(err, &n)
}
