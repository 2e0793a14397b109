// SPDX-License-Identifier: MPL-2.0

package registry

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
	dockerref "go.podman.io/image/v5/docker/reference"

	"github.com/carosio/carosbuild/pkg/terminal"
)

// explainStatus explains a request that a registry refuses.
func (s *session) explainStatus(ctx context.Context, err error, t *transport.Error) error {
	said := fmt.Sprintf("%d %s", t.StatusCode, http.StatusText(t.StatusCode))
	for _, d := range t.Errors {
		said += ", " + terminal.Excerpt(string(d.Code)+": "+d.Message)
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
		return s.access(err, fmt.Sprintf("%s answers %s, %d times", host, said, s.client.backoff().Steps), "try again later, or log in, which often raises the limit: podman login "+dockerref.Domain(s.at.at))
	case http.StatusMethodNotAllowed, http.StatusUnsupportedMediaType, http.StatusLengthRequired, http.StatusNotImplemented:
		if method == http.MethodPatch || method == http.MethodPost {
			return s.access(err, fmt.Sprintf("%s refuses an upload (%s %s)", host, method, said), "it may be a mirror, which cannot be pushed to, or a proxy before it may forbid "+method)
		}
	}
	if t.StatusCode >= 500 {
		return s.access(err, fmt.Sprintf("%s answers %s, whatever is tried", host, said), "")
	}
	return s.access(err, fmt.Sprintf("%s answers %s to %s %s", host, said, method, terminal.Excerpt(t.Request.URL.Path)), s.elsewhere())
}

// missing says that an image does not exist, and which tags do.
func (s *session) missing(ctx context.Context, err error, said string) error {
	kind, remedy := "tag", s.elsewhere()
	if _, ok := s.ref.(name.Digest); ok {
		kind = "image"
	} else if tags := s.tags(ctx); tags != "" {
		remedy = tags
	}
	return s.access(err, fmt.Sprintf("%s has no %s %s (%s)", s.at.at.Name(), kind, s.ref.Identifier(), said), remedy)
}

// tags lists some tags of the repository, beginning with those similar to the
// requested one; "" if they are not available.
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
	shown := terminal.Excerpt(strings.Join(page.Tags[:min(len(page.Tags), most)], ", "))
	if len(page.Tags) > most {
		shown += " and more"
	}
	return "tags there: " + shown
}

// common is the length of the common prefix of two names.
func common(a, b string) int {
	n := 0
	for n < min(len(a), len(b)) && a[n] == b[n] {
		n++
	}
	return n
}

// denied says that credentials are missing or wrong.
func (s *session) denied(err error, said string) error {
	host := dockerref.Domain(s.at.at)
	login := "podman login " + host
	if s.conf.sys != nil && s.conf.sys.AuthFilePath != "" {
		login += " --authfile " + s.conf.sys.AuthFilePath
	}
	if s.from == "" {
		return s.access(err, fmt.Sprintf("%s requires a login for %s, and there is none (%s)", host, s.at.at.Name(), said), login)
	}
	who := "the login"
	if s.auth.Username != "" {
		who = "the login of " + terminal.Excerpt(s.auth.Username)
	}
	return s.access(err, fmt.Sprintf("%s refuses %s for %s (%s)", host, who, s.at.at.Name(), said), fmt.Sprintf("the login is from %s: %s renews it", s.from, login))
}

// explainLayer is Explain for a layer.
func (s *session) explainLayer(ctx context.Context, err error, d v1.Descriptor) error {
	var t *transport.Error
	if errors.As(err, &t) && t.StatusCode == http.StatusNotFound {
		return s.access(err, fmt.Sprintf("%s does not have it, though its manifest names it", s.at.at.Name()), "push the image there again")
	}
	if err != nil && errors.Is(err, io.ErrUnexpectedEOF) {
		return s.access(err, fmt.Sprintf("%s ends it before its %d bytes, again and again", s.guard.host, d.Size), "")
	}
	return s.Explain(ctx, err)
}
