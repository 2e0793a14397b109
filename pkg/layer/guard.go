// This Source Code Form is subject to the terms of the Mozilla Public
// License, v. 2.0. If a copy of the MPL was not distributed with this
// file, You can obtain one at https://mozilla.org/MPL/2.0/.

package layer

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
)

// guard stands before the network: it refuses plain HTTP to hosts for which
// that is not declared, credentials to hosts that are not of the registry's
// site, wherever redirects and token realms lead, and answers without an end.
type guard struct {
	r    Registry
	conf registriesConf
	host string // of the registry, with port
	next http.RoundTripper
}

// maxAnswer is more than any manifest, token or list of tags, in bytes.
const maxAnswer = 32 << 20

// RoundTrip sends a request, or refuses to.
func (g *guard) RoundTrip(req *http.Request) (*http.Response, error) {
	host := req.URL.Host
	if req.URL.Scheme != "https" && !g.r.plain(host) && !g.conf.insecure(host) {
		return nil, fmt.Errorf("%s is not spoken to without TLS, unless it is declared as insecure", host)
	}
	secret := req.Header.Get("Authorization") != "" || req.Method == http.MethodPost
	if secret && !sameSite(g.host, host) {
		return nil, fmt.Errorf("the registry %s asks to send its credentials to %s, which is of another site", g.host, host)
	}
	res, err := g.next.RoundTrip(req)
	if err == nil && res.Body != nil && !strings.Contains(req.URL.Path, "/blobs/") && sameSite(g.host, host) {
		res.Body = &limitedBody{io.LimitReader(res.Body, maxAnswer), res.Body}
	}
	return res, err
}

type limitedBody struct {
	io.Reader
	c io.Closer
}

func (l *limitedBody) Close() error { return l.c.Close() }

// sameSite reports whether a host may see the credentials of a registry: it is
// the same machine, or below the domain that the registry is in. So
// registry.gitlab.com may send to gitlab.com, index.docker.io to
// auth.docker.io, but ghcr.io not to another host below io.
func sameSite(registry, host string) bool {
	a, b := hostname(registry), hostname(host)
	if a == b {
		return true
	}
	if net.ParseIP(a) != nil || net.ParseIP(b) != nil {
		return false
	}
	if strings.HasSuffix(b, "."+a) {
		return true
	}
	_, site, ok := strings.Cut(a, ".")
	labels := strings.Split(site, ".")
	if !ok || len(labels) < 2 {
		return false
	}
	if len(labels) == 2 { // such as co.uk
		switch labels[0] {
		case "ac", "co", "com", "edu", "gov", "net", "org":
			return false
		}
	}
	return b == site || strings.HasSuffix(b, "."+site)
}

func hostname(hostport string) string {
	h, _, err := net.SplitHostPort(hostport)
	if err != nil {
		h = strings.Trim(hostport, "[]")
	}
	return strings.ToLower(h)
}
