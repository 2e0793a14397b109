// SPDX-License-Identifier: MPL-2.0

// Package netfault tells errors of the network, and of servers that do not give what
// was asked for, from others.
package netfault

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/url"
	"os"
)

// Fault is an error that knows whether the network or a server is to blame.
type Fault interface {
	error
	NetworkFault() bool
}

// Is reports whether the network or a server is to blame: nothing that a declaration
// or this host could mend. The outermost Fault counts.
func Is(err error) bool {
	if f, ok := errors.AsType[Fault](err); ok {
		return f.NetworkFault()
	}
	var op *net.OpError // not net.Error: every system error is one
	var dns *net.DNSError
	var address *url.Error
	var verify *tls.CertificateVerificationError
	var authority x509.UnknownAuthorityError
	return errors.As(err, &op) || errors.As(err, &dns) || errors.As(err, &address) ||
		errors.As(err, &verify) || errors.As(err, &authority) || errors.Is(err, os.ErrDeadlineExceeded)
}
