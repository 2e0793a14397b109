// This Source Code Form is subject to the terms of the Mozilla Public
// License, v. 2.0. If a copy of the MPL was not distributed with this
// file, You can obtain one at https://mozilla.org/MPL/2.0/.

package layer

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"unicode"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
	dockerref "go.podman.io/image/v5/docker/reference"
)

// AccessError is a registry that could not be used: what was tried there and what
// came of it, and what would change that.
type AccessError struct {
	What   string
	Remedy string // "" if nothing on this machine would
	err    error  // of the network or the registry; nil if the settings alone refuse
}

func (e *AccessError) Error() string { return e.What }

func (e *AccessError) Unwrap() error { return e.err }

// Remedies are what would help against an error, if it is known.
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

// explain says what an error of a registry or of the way to it means. Other
// errors are as they were.
func (s *session) explain(ctx context.Context, err error) error {
	var a *AccessError
	var page *pageError
	var round *redirectError
	var busy *busyError
	var t *transport.Error
	switch {
	case err == nil || errors.As(err, &a) || isLocal(err):
		return err
	case errors.As(err, &page):
		return s.access(err, page.Error(), fmt.Sprintf("is %s a registry? A login page for all of the network, or a proxy, may have answered in its place", s.guard.host))
	case errors.As(err, &round):
		return s.access(err, round.Error(), s.elsewhere())
	case errors.As(err, &busy):
		return s.access(err, oneLine(busy.Error()), "try again later, or log in, which often raises the limit: podman login "+dockerref.Domain(s.at.at))
	case errors.As(err, &t) && !isCertificate(err): // this machine is asked both ways, and answers to HTTP that it wants TLS
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

// explainNetwork is about servers that cannot be spoken to.
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
		return s.access(err, fmt.Sprintf("the certificate of %s is not valid: %s", host, oneLine(verify.Err.Error())), s.elsewhere())
	case errors.As(err, &dns):
		return s.access(err, fmt.Sprintf("the name of %s cannot be resolved: %s", dns.Name, oneLine(dns.Err)), s.elsewhere())
	case errors.As(err, &op) && op.Op == "dial":
		return s.access(err, fmt.Sprintf("%s cannot be reached: %s", host, oneLine(rootCause(op).Error())), s.elsewhere())
	case errors.As(err, &op) && op.Op == "remote error":
		return s.access(err, fmt.Sprintf("%s ends the TLS connection: %s", host, oneLine(op.Err.Error())), fmt.Sprintf(
			"if it wants a certificate of yours, put it with its key into %s, as client.cert and client.key", filepath.Join(s.conf.configDir(), "certs.d", host)))
	case errors.As(err, &slow):
		return s.access(err, slow.Error(), s.elsewhere())
	case cutOff(err):
		return s.access(err, fmt.Sprintf("the connection to %s broke: %s", host, oneLine(rootCause(err).Error())), "")
	case IsNetwork(err):
		return s.access(err, fmt.Sprintf("%s: %s", host, oneLine(rootCause(err).Error())), "")
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

// explainStatus is about what a registry refuses.
func (s *session) explainStatus(ctx context.Context, err error, t *transport.Error) error {
	said := fmt.Sprintf("%d %s", t.StatusCode, http.StatusText(t.StatusCode))
	for _, d := range t.Errors {
		said += ", " + oneLine(string(d.Code)+": "+d.Message)
	}
	host, method := s.guard.host, ""
	if t.Request != nil {
		method = t.Request.Method
	}
	switch t.StatusCode {
	case http.StatusUnauthorized, http.StatusForbidden:
		return s.denied(err, said)
	case http.StatusNotFound:
		if method == http.MethodGet || method == http.MethodHead {
			return s.missing(ctx, err, said)
		}
		return s.access(err, fmt.Sprintf("%s does not take images for %s (%s)", host, s.at.at.Name(), said), "the repository may have to be made there first")
	case http.StatusRequestEntityTooLarge:
		return s.access(err, fmt.Sprintf("%s refuses a layer for its size (%s)", host, said),
			"raise the limit of the registry or of the proxy before it (nginx: client_max_body_size 0), or push smaller layers: --compression zstd, or more steps that each add less")
	case http.StatusTooManyRequests:
		return s.access(err, fmt.Sprintf("%s answers %s, %d times", host, said, s.r.backoff().Steps), "try again later, or log in, which often raises the limit: podman login "+dockerref.Domain(s.at.at))
	case http.StatusMethodNotAllowed, http.StatusUnsupportedMediaType, http.StatusLengthRequired, http.StatusNotImplemented:
		if method == http.MethodPatch || method == http.MethodPost {
			return s.access(err, fmt.Sprintf("%s refuses an upload (%s %s)", host, method, said), "it may be a mirror, which cannot be pushed to, or a proxy before it may forbid "+method)
		}
	}
	if t.StatusCode >= 500 {
		return s.access(err, fmt.Sprintf("%s answers %s, whatever is tried", host, said), "")
	}
	return s.access(err, fmt.Sprintf("%s answers %s to %s %s", host, said, method, oneLine(t.Request.URL.Path)), s.elsewhere())
}

// missing is about an image that is not there, and what there is.
func (s *session) missing(ctx context.Context, err error, said string) error {
	kind, remedy := "tag", s.elsewhere()
	if _, ok := s.ref.(name.Digest); ok {
		kind = "image"
	} else if tags := s.tags(ctx); tags != "" {
		remedy = tags
	}
	return s.access(err, fmt.Sprintf("%s has no %s %s (%s)", s.at.at.Name(), kind, s.ref.Identifier(), said), remedy)
}

// tags lists some tags of the repository, those first that are like the one asked
// for; "" if they cannot be had.
func (s *session) tags(ctx context.Context) string {
	puller, err := remote.NewPuller(s.opts...)
	if err != nil {
		return ""
	}
	lister, err := puller.Lister(ctx, s.ref.Context())
	if err != nil || !lister.HasNext() {
		return ""
	}
	page, err := lister.Next(ctx)
	if err != nil || len(page.Tags) == 0 {
		return ""
	}
	asked := s.ref.Identifier()
	slices.SortStableFunc(page.Tags, func(a, b string) int { return common(b, asked) - common(a, asked) })
	const most = 8
	shown := oneLine(strings.Join(page.Tags[:min(len(page.Tags), most)], ", "))
	if len(page.Tags) > most {
		shown += " and more"
	}
	return "it has " + shown
}

// common is the length of what two names begin with.
func common(a, b string) int {
	n := 0
	for n < min(len(a), len(b)) && a[n] == b[n] {
		n++
	}
	return n
}

// denied is about credentials that are missing or wrong.
func (s *session) denied(err error, said string) error {
	host := dockerref.Domain(s.at.at)
	login := "podman login " + host
	if s.conf.sys != nil && s.conf.sys.AuthFilePath != "" {
		login += " --authfile " + s.conf.sys.AuthFilePath
	}
	if s.from == "" {
		return s.access(err, fmt.Sprintf("%s wants a login for %s, and there is none (%s)", host, s.at.at.Name(), said), login)
	}
	who := "the login"
	if s.auth.Username != "" {
		who = "the login of " + oneLine(s.auth.Username)
	}
	return s.access(err, fmt.Sprintf("%s refuses %s for %s (%s)", host, who, s.at.at.Name(), said), fmt.Sprintf("the login is from %s: %s renews it", s.from, login))
}

// explainLayer is explain for a layer.
func (s *session) explainLayer(ctx context.Context, err error, d v1.Descriptor) error {
	var t *transport.Error
	if errors.As(err, &t) && t.StatusCode == http.StatusNotFound {
		return s.access(err, fmt.Sprintf("%s does not have it, though its manifest names it", s.at.at.Name()), "push the image there again")
	}
	if err != nil && errors.Is(err, io.ErrUnexpectedEOF) {
		return s.access(err, fmt.Sprintf("%s ends it before its %d bytes, again and again", s.guard.host, d.Size), "")
	}
	return s.explain(ctx, err)
}

// elsewhere says which setting led to the registry.
func (s *session) elsewhere() string {
	if at := s.entry(); at != "" {
		return fmt.Sprintf("%s is what %s says", s.at.at.Name(), at)
	}
	if !s.at.mirrored() && s.conf.sys != nil {
		return fmt.Sprintf("check the name; to take it from another registry, %s", s.setting("location = \"OTHER.REGISTRY\""))
	}
	return ""
}

// setting says where a line of the settings would go.
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

// entry is the place of the settings' entry for this registry, "" for none.
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

// notJSON is the error for an answer that cannot be read: of what is asked before
// the image only a token is read at once.
func (s *session) notJSON(err error) error {
	var syntax *json.SyntaxError
	if errors.As(err, &syntax) {
		return &pageError{url: "what " + s.guard.host + " or its login server gives as a token"}
	}
	return err
}

// pageError is a page for people in place of a document.
type pageError struct{ url, title string }

func (e *pageError) Error() string {
	text := e.url + " is a web page"
	if e.title != "" {
		text += fmt.Sprintf(" (%q)", e.title)
	}
	return text + ", not the answer of a registry"
}

// checkPage refuses a page for people where a manifest, a list or a token was
// asked for.
func checkPage(first *http.Request, res *http.Response) error {
	path := first.URL.Path
	if first.Method != http.MethodGet || res.StatusCode != http.StatusOK || !strings.HasPrefix(res.Header.Get("Content-Type"), "text/html") ||
		path == "/v2/" || strings.Contains(path, "/blobs/") {
		return nil
	}
	head, _ := io.ReadAll(io.LimitReader(res.Body, 4<<10))
	res.Body.Close()
	shown := *res.Request.URL
	shown.RawQuery, shown.User = "", nil // which may hold secrets
	return &pageError{oneLine(shown.String()), pageTitle(string(head))}
}

// checkDocument refuses a manifest that is none.
func checkDocument(doc []byte) error {
	text := strings.TrimSpace(string(doc[:min(len(doc), 4<<10)]))
	if strings.HasPrefix(text, "{") {
		return nil
	}
	if strings.HasPrefix(text, "<") {
		return &pageError{"its manifest", pageTitle(text)}
	}
	return fmt.Errorf("its manifest is no JSON object: %q", oneLine(text[:min(len(text), 60)]))
}

func pageTitle(page string) string {
	_, rest, _ := strings.Cut(page, "<title>")
	title, _, ok := strings.Cut(rest, "</title>")
	if !ok {
		return ""
	}
	return oneLine(title)
}

// oneLine is foreign text as it may stand in a message.
func oneLine(s string) string {
	s = strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) {
			return ' '
		}
		if !unicode.IsPrint(r) {
			return '\uFFFD'
		}
		return r
	}, s)
	s = strings.Join(strings.Fields(s), " ")
	const most = 200
	if r := []rune(s); len(r) > most {
		return string(r[:most]) + "..."
	}
	return s
}

// IsNetwork reports whether an error is one of the network or of a registry
// that does not give what was asked for.
func IsNetwork(err error) bool {
	var a *AccessError
	if errors.As(err, &a) {
		return a.err != nil
	}
	var t *transport.Error
	var op *net.OpError // not net.Error: every system error is one
	var dns *net.DNSError
	var verify *tls.CertificateVerificationError
	var authority x509.UnknownAuthorityError
	var slow *slowError
	var u *url.Error
	return errors.As(err, &t) || errors.As(err, &verify) || errors.As(err, &authority) || errors.As(err, &slow) ||
		errors.As(err, &op) || errors.As(err, &dns) || errors.As(err, &u) || errors.Is(err, os.ErrDeadlineExceeded)
}
