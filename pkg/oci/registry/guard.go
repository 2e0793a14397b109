// SPDX-License-Identifier: MPL-2.0

package registry

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/carosio/carosbuild/pkg/bytesize"
	"github.com/carosio/carosbuild/pkg/terminal"
)

// guard wraps the network: it refuses plain HTTP to hosts for which that is not
// declared, credentials to hosts outside the registry's site, wherever redirects
// and token realms lead, endless redirects, and answers that are too large or too
// slow.
type guard struct {
	host   string                 // of the registry, with port
	plain  func(host string) bool // may be used without TLS
	limits Deadlines
	next   http.RoundTripper

	mu    sync.Mutex
	small map[string]bool // digests of blobs that are documents
}

// maxAnswer is larger than any manifest, token or list of tags, in bytes.
const maxAnswer = 32 << 20

// maxRedirects is how often one request may be redirected.
const maxRedirects = 10

// document says that a blob is a config, which is small.
func (g *guard) document(digest string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.small == nil {
		g.small = map[string]bool{}
	}
	g.small[digest] = true
}

// RoundTrip sends a request, or refuses to send it.
func (g *guard) RoundTrip(req *http.Request) (*http.Response, error) {
	first, err := g.check(req)
	if err != nil {
		return nil, err
	}
	res, err := g.send(req, g.isLayer(first))
	if err == nil && req.Method == http.MethodHead && refusesHead(res.StatusCode) {
		res.Body.Close()
		res, err = g.headByGet(req, g.isLayer(first))
	}
	if err != nil {
		return nil, err
	}
	if err := checkPage(first, res); err != nil {
		return nil, err
	}
	return res, nil
}

// refusesHead reports whether a registry, or a proxy in front of it, may answer GET
// although it refuses HEAD.
func refusesHead(status int) bool {
	switch status {
	case http.StatusBadRequest, http.StatusForbidden, http.StatusMethodNotAllowed, http.StatusNotAcceptable, http.StatusNotImplemented:
		return true
	}
	return false
}

// check refuses a request, or returns the one that led to it by redirects.
func (g *guard) check(req *http.Request) (first *http.Request, err error) {
	host := req.URL.Host
	if req.URL.Scheme != "https" && !g.plain(host) {
		return nil, &plainError{host}
	}
	secret := req.Header.Get("Authorization") != "" || req.Method == http.MethodPost
	if secret && !sameSite(g.host, host) {
		return nil, fmt.Errorf("the registry %s asks to send its credentials to %s, which is of another site", g.host, host)
	}
	first = req
	for n := 0; first.Response != nil && first.Response.Request != nil; n++ {
		if n == maxRedirects {
			return nil, &redirectError{g.host, first.URL}
		}
		first = first.Response.Request
	}
	// A registry on the internet must not redirect to internal addresses.
	if a, b := hostname(first.URL.Host), hostname(host); a != b && isInner(b) {
		return nil, fmt.Errorf("%s redirects to %s, an address of this network", a, b)
	}
	return first, nil
}

func isInner(host string) bool {
	if name := strings.TrimSuffix(strings.ToLower(host), "."); name == "localhost" || strings.HasSuffix(name, ".localhost") {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && (ip.IsPrivate() || ip.IsLoopback() || ip.IsLinkLocalUnicast() || ip.IsUnspecified())
}

// isLayer reports whether the answer to a request may be long.
func (g *guard) isLayer(req *http.Request) bool {
	_, digest, ok := strings.Cut(req.URL.Path, "/blobs/")
	g.mu.Lock()
	defer g.mu.Unlock()
	return ok && req.Method == http.MethodGet && !g.small[digest]
}

// send sends a request with its deadlines.
func (g *guard) send(req *http.Request, layer bool) (*http.Response, error) {
	ctx, w := newWatch(req.Context(), req.URL.Host)
	out := req.WithContext(ctx)
	upload := req.Method == http.MethodPut || req.Method == http.MethodPatch
	if req.Body != nil && req.Body != http.NoBody {
		upload = true
		out.Body = &sentBody{req.Body, w, g.limits}
		if get := req.GetBody; get != nil {
			out.GetBody = func() (io.ReadCloser, error) {
				body, err := get()
				return &sentBody{body, w, g.limits}, err
			}
		}
	}
	switch {
	case upload:
		w.limit(5*g.limits.Headers, 0, "did not answer an upload")
	case layer:
		w.limit(g.limits.Headers, 0, "sent no answer")
	default:
		w.limit(min(g.limits.Headers, g.limits.Small), 0, "sent no answer")
	}
	res, err := g.next.RoundTrip(out)
	if err != nil {
		err = w.cause(err)
		w.stop()
		return nil, err
	}
	w.answer()
	res.Request = req // no deadline from here on
	body := res.Body
	switch {
	case body == nil || body == http.NoBody:
		w.stop()
	case layer && res.StatusCode < 300:
		res.Body = &answerBody{ReadCloser: body, w: w, every: g.limits.Progress}
	default:
		passed := time.Since(w.begin)
		if upload {
			passed = 0
		}
		w.limit(g.limits.Small, passed, "sent no whole answer")
		// It is read here, so that a truncated answer is requested again.
		data, err := io.ReadAll(io.LimitReader(body, maxAnswer+1))
		if len(data) > maxAnswer && res.StatusCode < 300 {
			err = errors.Join(err, &endlessError{req.URL.Host, req.URL.Path})
		}
		err = w.cause(errors.Join(err, body.Close()))
		w.stop()
		if err != nil {
			return nil, err
		}
		res.Body = io.NopCloser(bytes.NewReader(data))
	}
	return res, nil
}

// headByGet sends GET to a registry that does not know HEAD, and discards the body.
func (g *guard) headByGet(req *http.Request, layer bool) (*http.Response, error) {
	get := req.Clone(req.Context())
	get.Method = http.MethodGet
	res, err := g.send(get, layer)
	if err != nil {
		return nil, err
	}
	if res.StatusCode < 300 {
		res.Body.Close()
		res.Body = http.NoBody
	}
	res.Request = req
	return res, nil
}

// plainError is a host that would be used without TLS.
type plainError struct{ host string }

func (e *plainError) Error() string {
	return e.host + " is not spoken to without TLS, unless it is declared as insecure"
}

// endlessError is an answer that is longer than any document.
type endlessError struct{ host, path string }

func (e *endlessError) Error() string {
	return fmt.Sprintf("%s sends more than %s in answer to %s, which is not the answer of a registry", e.host, bytesize.Format(maxAnswer), terminal.Excerpt(e.path))
}

// redirectError is a request that is redirected too often.
type redirectError struct {
	host  string
	first *url.URL
}

func (e *redirectError) Error() string {
	return fmt.Sprintf("%s redirects %s more than %d times", e.host, e.first.Path, maxRedirects)
}

// sameSite reports whether a host may get the credentials of a registry: it is the
// same machine, or below the registry's domain. So registry.gitlab.com may refer to
// gitlab.com, and index.docker.io to auth.docker.io, but ghcr.io may not refer to
// another host below io.
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
