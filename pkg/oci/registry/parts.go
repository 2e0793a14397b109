// SPDX-License-Identifier: MPL-2.0

package registry

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"

	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"

	"github.com/carosio/carosbuild/pkg/bytesize"
	"github.com/carosio/carosbuild/pkg/oci"
)

// The sizes of the parts of a layer, in bytes, for a registry or a proxy in front of
// it that refuses a whole layer for its size. Each is a quarter of the previous one.
const (
	largestPart  = 16 << 20
	smallestPart = 64 << 10
)

// uploadLayer uploads a layer as a whole or, if it is refused for its size, in parts. A
// registry that does not accept parts is sent the whole layer again.
func (s *session) uploadLayer(ctx context.Context, pusher *remote.Pusher, l *countedLayer) error {
	size, err := l.Size()
	if err != nil {
		return err
	}
	whole := func() error {
		return s.repeat(ctx, func() error { return pusher.Upload(ctx, s.ref.Context(), l) })
	}
	inParts := func() error { return s.repeat(ctx, func() error { return s.uploadParts(ctx, l, size) }) }
	if part := s.part.Load(); part > 0 && size > part {
		if err := inParts(); !refusesParts(err) {
			return err
		}
		return whole()
	}
	refused := whole()
	if status(refused) != http.StatusRequestEntityTooLarge || size <= smallestPart || ctx.Err() != nil {
		return refused
	}
	if err := inParts(); !refusesParts(err) {
		return err
	}
	return refused
}

// status is the status of a registry's answer, or 0 for other errors.
func status(err error) int {
	if t, ok := errors.AsType[*transport.Error](err); ok {
		return t.StatusCode
	}
	return 0
}

// partError says that a registry does not accept parts of a layer.
type partError struct{ error }

func (e *partError) Unwrap() error { return e.error }

func refusesParts(err error) bool {
	_, ok := errors.AsType[*partError](err)
	return ok
}

// uploadParts uploads a layer in parts, unless the registry already has it.
func (s *session) uploadParts(ctx context.Context, l *countedLayer, size int64) error {
	repo := s.ref.Context()
	h, err := l.Digest()
	if err != nil {
		return err
	}
	client, err := s.newClient(ctx, repo.Scope(transport.PushScope))
	if err != nil {
		return err
	}
	u := &upload{client: client, at: url.URL{Scheme: repo.Scheme(), Host: repo.RegistryStr(), Path: "/v2/" + repo.RepositoryStr() + "/blobs/" + h.String()}}
	if err := u.send(ctx, http.MethodHead, nil, http.StatusOK, http.StatusNotFound); err != nil || u.status == http.StatusOK {
		return err
	}
	u.at.Path = "/v2/" + repo.RepositoryStr() + "/blobs/uploads/"
	if err := u.send(ctx, http.MethodPost, nil, http.StatusAccepted); err != nil {
		return err
	}
	if err := s.sendParts(ctx, u, l, size); err != nil {
		return err
	}
	q := u.at.Query()
	q.Set("digest", h.String())
	u.at.RawQuery = q.Encode()
	return u.send(ctx, http.MethodPut, nil, http.StatusCreated)
}

// sendParts sends a layer. The parts get smaller until they are accepted; later
// layers begin with that size.
func (s *session) sendParts(ctx context.Context, u *upload, l *countedLayer, size int64) error {
	rc, err := l.Compressed()
	if err != nil {
		return err
	}
	defer rc.Close()
	part := s.part.Load()
	if part == 0 {
		part = largestPart
	}
	for part >= size && part > smallestPart {
		part /= 4
	}
	var buf bytes.Buffer
	for offset := int64(0); offset < size; {
		if buf.Len() == 0 {
			if _, err := io.CopyN(&buf, rc, min(part, size-offset)); err != nil {
				return err
			}
		}
		data := buf.Bytes()[:min(int64(buf.Len()), part)]
		u.contentRange = fmt.Sprintf("%d-%d", offset, offset+int64(len(data))-1)
		err := u.send(ctx, http.MethodPatch, data, http.StatusAccepted, http.StatusNoContent, http.StatusCreated)
		switch code := status(err); {
		case code == http.StatusRequestEntityTooLarge && part > smallestPart:
			part /= 4
			continue
		case code >= 400 && code < 500 && offset == 0 && code != http.StatusUnauthorized && code != http.StatusForbidden && code != http.StatusTooManyRequests:
			return &partError{err}
		case err != nil:
			return err
		}
		if s.part.Swap(part) != part {
			s.client.Tell(oci.Event{Kind: "note", Name: s.guard.host, Text: fmt.Sprintf("%s refuses a layer of %s at once: it is uploaded in parts of %s",
				s.guard.host, bytesize.Format(size), bytesize.Format(part))})
		}
		offset += int64(len(data))
		buf.Next(len(data))
	}
	return nil
}

// upload is a blob that is being uploaded to a registry. Each answer says where to
// send the next request.
type upload struct {
	client       *http.Client
	at           url.URL
	contentRange string // of the next PATCH
	status       int    // of the last answer
}

// send sends a request, which has to be answered with one of the statuses.
func (u *upload) send(ctx context.Context, method string, data []byte, want ...int) error {
	req, err := http.NewRequestWithContext(ctx, method, u.at.String(), bytes.NewReader(data))
	if err != nil {
		return err
	}
	if method == http.MethodPatch || method == http.MethodPut {
		req.Header.Set("Content-Type", "application/octet-stream")
	}
	if method == http.MethodPatch {
		req.Header.Set("Content-Range", u.contentRange)
	}
	res, err := u.client.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if err := transport.CheckError(res, want...); err != nil {
		return err
	}
	u.status = res.StatusCode
	if method != http.MethodPost && method != http.MethodPatch {
		return nil
	}
	next, err := res.Location()
	if err != nil {
		return fmt.Errorf("the answer to %s: %w", method, err)
	}
	if next.Host != u.at.Host && isInner(hostname(next.Host)) {
		return fmt.Errorf("%s sends an upload to %s, an address of this network", u.at.Host, next.Host)
	}
	u.at = *next
	return nil
}
