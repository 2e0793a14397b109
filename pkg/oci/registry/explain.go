// SPDX-License-Identifier: MPL-2.0

package registry

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"path/filepath"
	"slices"
	"strings"

	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
	dockerref "go.podman.io/image/v5/docker/reference"

	"github.com/carosio/carosbuild/pkg/netfault"
	"github.com/carosio/carosbuild/pkg/terminal"
)

// AccessError says that a registry could not be used: what was tried there, the
// result, and the remedy.
type AccessError struct {
	What   string
	Remedy string // "" if there is no remedy on this machine
	err    error  // error of the network or the registry; nil if the settings alone refuse
}

func (e *AccessError) Error() string { return e.What }

func (e *AccessError) Unwrap() error { return e.err }

// Remedies are the remedies for an error, where known.
func Remedies(err error) []string {
	var out []string
	var walk func(error)
	walk = func(err error) {
		if a, ok := err.(*AccessError); ok {
			if a.Remedy != "" && !slices.Contains(out, a.Remedy) {
				out = append(out, a.Remedy)
			}
			return
		}
		switch u := err.(type) {
		case interface{ Unwrap() error }:
			walk(u.Unwrap())
		case interface{ Unwrap() []error }:
			for _, e := range u.Unwrap() {
				walk(e)
			}
		}
	}
	walk(err)
	return out
}

// Explain explains an error of a registry or of the connection to it. Other errors
// are returned unchanged.
func (s *session) Explain(ctx context.Context, err error) error {
	var a *AccessError
	var page *pageError
	var endless *endlessError
	var round *redirectError
	var busy *busyError
	var t *transport.Error
	switch {
	case err == nil || errors.As(err, &a) || isLocal(err):
		return err
	case errors.As(err, &page):
		return s.access(err, page.Error(), fmt.Sprintf("is %s a registry? A login page for all of the network, or a proxy, may have answered in its place", s.guard.host))
	case errors.As(err, &endless):
		return s.access(err, endless.Error(), fmt.Sprintf("is %s a registry? Something else may have answered in its place", s.guard.host))
	case errors.As(err, &round):
		return s.access(err, round.Error(), s.elsewhere())
	case errors.As(err, &busy):
		return s.access(err, terminal.Excerpt(busy.Error()), "try again later, or log in, which often raises the limit: podman login "+dockerref.Domain(s.at.at))
	case errors.As(err, &t) && !isCertificate(err): // a registry on this machine is asked both with TLS and without, and its answer to HTTP is that it needs TLS
		return s.explainStatus(ctx, err, t)
	}
	return s.explainNetwork(err)
}

func isCertificate(err error) bool {
	var authority x509.UnknownAuthorityError
	var verify *tls.CertificateVerificationError
	return errors.As(err, &authority) || errors.As(err, &verify)
}

func (s *session) access(err error, what, remedy string) error {
	if s.at.mirrored() {
		what = fmt.Sprintf("%s, in place of %s: %s", s.at.at, s.at.name, what)
	}
	return &AccessError{what, remedy, err}
}

// explainNetwork explains why a server cannot be reached.
func (s *session) explainNetwork(err error) error {
	host := s.guard.host
	var plain *plainError
	var slow *slowError
	var authority x509.UnknownAuthorityError
	var verify *tls.CertificateVerificationError
	var record tls.RecordHeaderError
	var dns *net.DNSError
	var op *net.OpError
	switch {
	case errors.Is(err, http.ErrSchemeMismatch), errors.As(err, &record), errors.As(err, &plain) && plain.host == host:
		return s.access(err, host+" does not speak TLS (https://"+host+"/v2/ was tried), and plain HTTP to it is not allowed", "to allow it, "+s.setting("insecure = true"))
	case errors.As(err, &authority):
		return s.access(err, host+" has a certificate of an authority that this machine does not know", fmt.Sprintf(
			"put the authority's certificate, if you trust it, into %s", filepath.Join(s.conf.configDir(), "certs.d", host, "ca.crt")))
	case errors.As(err, &verify):
		return s.access(err, fmt.Sprintf("the certificate of %s is not valid: %s", host, terminal.Excerpt(verify.Err.Error())), s.elsewhere())
	case errors.As(err, &dns):
		return s.access(err, fmt.Sprintf("the name of %s cannot be resolved: %s", dns.Name, terminal.Excerpt(dns.Err)), s.elsewhere())
	case errors.As(err, &op) && op.Op == "dial":
		return s.access(err, fmt.Sprintf("%s cannot be reached: %s", host, terminal.Excerpt(rootCause(op).Error())), s.elsewhere())
	case errors.As(err, &op) && op.Op == "remote error":
		return s.access(err, fmt.Sprintf("%s ends the TLS connection: %s", host, terminal.Excerpt(op.Err.Error())), fmt.Sprintf(
			"if it requires a client certificate, put yours with its key into %s, as client.cert and client.key", filepath.Join(s.conf.configDir(), "certs.d", host)))
	case errors.As(err, &slow):
		return s.access(err, slow.Error(), s.elsewhere())
	case cutOff(err):
		return s.access(err, fmt.Sprintf("the connection to %s broke: %s", host, terminal.Excerpt(rootCause(err).Error())), "")
	case IsNetwork(err):
		return s.access(err, fmt.Sprintf("%s: %s", host, terminal.Excerpt(rootCause(err).Error())), "")
	}
	return err
}

func rootCause(err error) error {
	for {
		next := errors.Unwrap(err)
		if next == nil {
			return err
		}
		err = next
	}
}

// elsewhere says which setting led to this registry.
func (s *session) elsewhere() string {
	if at := s.entry(); at != "" {
		return fmt.Sprintf("%s is what %s says", s.at.at.Name(), at)
	}
	if !s.at.mirrored() && s.conf.sys != nil {
		return fmt.Sprintf("check the name; to take it from another registry, %s", s.setting("location = \"OTHER.REGISTRY\""))
	}
	return ""
}

// setting says where a line has to be added to the settings.
func (s *session) setting(line string) string {
	host := dockerref.Domain(s.at.at)
	if at := s.entry(); at != "" {
		return fmt.Sprintf("write `%s` into the entry at %s", line, at)
	}
	entry := "location = \"" + host + "\""
	if strings.HasPrefix(line, "location") {
		entry = "prefix = \"" + host + "\""
	}
	return fmt.Sprintf("write [[registry]], `%s` and `%s`, a line each, into %s", entry, line, s.conf.ownFile(host))
}

// entry is the place of the settings' entry for this registry, or "".
func (s *session) entry() string {
	var names []string
	for _, n := range []string{s.at.at.Name(), s.at.name.Name()} {
		for n != "." && n != "" {
			names = append(names, n)
			n = strings.TrimSuffix(n[:strings.LastIndexByte(n, '/')+1], "/")
		}
		if names == nil {
			continue
		}
		if at := s.conf.entry(names...); at != "" {
			return at
		}
	}
	return ""
}

// NetworkFault implements netfault.Fault. Without an error of the network, access
// was refused before a request was sent.
func (e *AccessError) NetworkFault() bool { return e.err != nil }

// NetworkFault implements netfault.Fault.
func (e *slowError) NetworkFault() bool { return true }

// IsNetwork reports whether an error is one of the network, or of a registry that
// does not deliver what was requested.
func IsNetwork(err error) bool {
	if netfault.Is(err) {
		return true
	}
	var refused *AccessError
	var t *transport.Error
	return !errors.As(err, &refused) && errors.As(err, &t)
}
