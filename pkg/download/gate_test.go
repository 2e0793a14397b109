// SPDX-License-Identifier: MPL-2.0

package download

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/carosio/carosbuild/pkg/netfault"
)

const helloSum = "sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"

func mirror(t *testing.T) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		switch {
		case strings.HasPrefix(q.URL.Path, "/from/"):
			http.Redirect(w, q, "/elsewhere?signature=secret", http.StatusTemporaryRedirect)
		case strings.HasPrefix(q.URL.Path, "/none"):
			http.NotFound(w, q)
		default:
			http.ServeContent(w, q, "", time.Time{}, strings.NewReader("hello"))
		}
	}))
	t.Cleanup(s.Close)
	return s
}

func get(t *testing.T, c *http.Client, address, bytes string) {
	t.Helper()
	q, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	if bytes != "" {
		q.Header.Set("Range", "bytes="+bytes)
	}
	res, err := c.Do(q)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if _, err := io.Copy(io.Discard, res.Body); err != nil {
		t.Fatal(err)
	}
}

// TestRecords: what was fetched is written down under the address that was asked for,
// once, without what is secret; what is no download is not.
func TestRecords(t *testing.T) {
	s := mirror(t)
	r := &Recorder{}
	c := &http.Client{Transport: Gate{To: r}.Around(http.DefaultTransport)}
	withUser := strings.Replace(s.URL, "http://", "http://me:password@", 1)
	get(t, c, withUser+"/pool/a/a_1.deb", "")
	get(t, c, s.URL+"/pool/a/a_1.deb", "")
	get(t, c, s.URL+"/pool/b/b_1.deb", "0-1") // resumed
	get(t, c, s.URL+"/pool/b/b_1.deb", "2-")
	get(t, c, s.URL+"/pool/c/c_1.deb", "2-") // begun by another process
	get(t, c, s.URL+"/from/blobs/sha256:12?token=secret", "")
	get(t, c, s.URL+"/v2/x/manifests/1", "")
	get(t, c, s.URL+"/token?service=x", "")
	get(t, c, s.URL+"/none/d_1.deb", "")
	r.Add(Record{Kind: Git, URL: "https://me:password@example.com/x.git", Commit: "1234"})
	r.Add(Record{Kind: Git, URL: "git@example.com:x.git", Commit: "1234"})
	want := []Record{
		{Kind: Deb, URL: s.URL + "/pool/a/a_1.deb", Digest: helloSum, Size: 5},
		{Kind: Deb, URL: s.URL + "/pool/b/b_1.deb", Digest: helloSum, Size: 5},
		{Kind: Deb, URL: s.URL + "/pool/c/c_1.deb", Size: 5},
		{Kind: Git, URL: "git@example.com:x.git", Commit: "1234"},
		{Kind: Git, URL: "https://example.com/x.git", Commit: "1234"},
		{Kind: Blob, URL: s.URL + "/from/blobs/sha256:12", Digest: helloSum, Size: 5},
		{Kind: Manifest, URL: s.URL + "/v2/x/manifests/1", Digest: helloSum, Size: 5},
	}
	if diff := cmp.Diff(want, r.List()); diff != "" {
		t.Error(diff)
	}
}

// TestClosed: nothing leaves a closed gate, and the error is one that a network mends.
func TestClosed(t *testing.T) {
	called := false
	s := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { called = true }))
	defer s.Close()
	c := &http.Client{Transport: Gate{Closed: true}.Around(http.DefaultTransport)}
	_, err := c.Get(strings.Replace(s.URL, "http://", "http://me:password@", 1) + "/a.deb?token=secret") //nolint:noctx // it does not get far
	var closed *ClosedError
	if !errors.As(err, &closed) || called || !netfault.Is(err) {
		t.Errorf("got %v, called: %v", err, called)
	} else if s := closed.Error(); strings.Contains(s, "password") || strings.Contains(s, "secret") {
		t.Error(s)
	}
}
