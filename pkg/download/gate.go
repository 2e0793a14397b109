// SPDX-License-Identifier: MPL-2.0

package download

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"io"
	"net/http"
	"path"
	"strings"
	"sync"
)

// ClosedError says that something was not asked for, because nothing goes to the
// network.
type ClosedError struct{ URL string }

func (e *ClosedError) Error() string { return e.URL + ": " + NotAsked }

// NotAsked is why there is no answer.
const NotAsked = "not asked, because --offline uses no network"

// IsClosed reports whether the text of an error has that reason.
func IsClosed(text string) bool { return strings.Contains(text, NotAsked) }

// NetworkFault implements netfault.Fault: it can be had with a network.
func (e *ClosedError) NetworkFault() bool { return true }

// Gate is where HTTP leaves the program.
type Gate struct {
	Closed bool      // nothing leaves it but file URLs
	To     *Recorder // may be nil
}

// Around is the gate in front of a transport.
func (g Gate) Around(next http.RoundTripper) http.RoundTripper {
	return &transport{gate: g, next: next, begun: map[string]*part{}}
}

type transport struct {
	gate Gate
	next http.RoundTripper

	mu    sync.Mutex
	begun map[string]*part // by address: what has come of it so far
}

// part is the beginning of a file.
type part struct {
	sum  hash.Hash
	n    int64
	size int64 // of the whole, -1 where the server does not say
}

// RoundTrip implements http.RoundTripper.
func (t *transport) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.URL.Scheme == "file" {
		return t.next.RoundTrip(req)
	}
	if t.gate.Closed {
		return nil, &ClosedError{Clean(req.URL.String())}
	}
	res, err := t.next.RoundTrip(req)
	first := req
	for n := 0; first.Response != nil && first.Response.Request != nil && n < 20; n++ { // redirects
		first = first.Response.Request
	}
	kind := kindOf(first.URL.Path)
	if err != nil || kind == "" || t.gate.To == nil || req.Method != http.MethodGet {
		return res, err
	}
	address := Clean(first.URL.String())
	if p := t.part(address, res); p != nil {
		res.Body = &body{ReadCloser: res.Body, part: p, whole: func(digest string) {
			t.gate.To.Add(Record{Kind: kind, URL: address, Digest: digest, Size: p.n})
		}}
	}
	return res, err
}

// CloseIdleConnections ends the connections that are not in use.
func (t *transport) CloseIdleConnections() {
	if c, ok := t.next.(interface{ CloseIdleConnections() }); ok {
		c.CloseIdleConnections()
	}
}

// part is what an answer goes on with, nil for one that has no part of a file.
func (t *transport) part(address string, res *http.Response) *part {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch p := t.begun[address]; res.StatusCode {
	case http.StatusOK:
		t.begun[address] = &part{sum: sha256.New(), size: res.ContentLength}
	case http.StatusPartialContent:
		var from, to, size int64
		if _, err := fmt.Sscanf(res.Header.Get("Content-Range"), "bytes %d-%d/%d", &from, &to, &size); err != nil {
			return nil
		}
		switch {
		case from == 0:
			t.begun[address] = &part{sum: sha256.New(), size: size}
		case p == nil || p.n != from: // begun by another process: its digest cannot be known
			t.begun[address] = &part{n: from, size: size}
		}
	default:
		return nil
	}
	return t.begun[address]
}

// kindOf tells from the path of an address what is fetched, "" for what is no download,
// such as a token.
func kindOf(p string) string {
	switch {
	case strings.Contains(p, "/blobs/sha256:"):
		return Blob
	case strings.HasPrefix(p, "/v2/") && strings.Contains(p, "/manifests/"):
		return Manifest
	case strings.Contains(p, "/dists/"):
		return Index
	case path.Ext(p) == ".deb", path.Ext(p) == ".udeb":
		return Deb
	}
	return ""
}

// body tells when it has been read to its end.
type body struct {
	io.ReadCloser
	part  *part
	whole func(digest string)
	done  bool
}

func (b *body) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if b.part.n += int64(n); b.part.sum != nil {
		b.part.sum.Write(p[:n])
	}
	if !b.done && (b.part.size < 0 && err == io.EOF || b.part.size >= 0 && b.part.n == b.part.size) {
		b.done = true
		digest := ""
		if b.part.sum != nil {
			digest = "sha256:" + hex.EncodeToString(b.part.sum.Sum(nil))
		}
		b.whole(digest)
	}
	return n, err
}
