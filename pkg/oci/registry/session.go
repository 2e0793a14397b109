// SPDX-License-Identifier: MPL-2.0

package registry

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"sync"
	"sync/atomic"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
	dockerref "go.podman.io/image/v5/docker/reference"

	"github.com/carosio/carosbuild/pkg/oci"
)

// session is the work at one registry for one image.
type session struct {
	client Client
	conf   settings
	at     source
	ref    name.Reference
	auth   authn.AuthConfig
	from   string // where the credentials are from, or ""
	guard  *guard
	rt     *retrier
	opts   []remote.Option

	part atomic.Int64 // size of the parts in which layers are uploaded, 0 while they are uploaded whole

	mu    sync.Mutex
	blobs *http.Client // nil until the registry has been asked for access
}

// connect prepares to talk to a registry; nothing is sent yet.
func (c Client) connect(ctx context.Context, conf settings, at source) (*session, error) {
	s := &session{client: c, conf: conf, at: at}
	host := dockerref.Domain(at.at)
	var opts []name.Option
	if at.insecure || c.plain(host) {
		opts = append(opts, name.Insecure)
	}
	var err error
	if s.ref, err = name.ParseReference(at.at.String(), opts...); err != nil {
		return nil, err
	}
	if s.auth, s.from, err = c.credentials(ctx, conf, at.at); err != nil {
		return nil, err
	}
	host = s.ref.Context().RegistryStr()
	limits := c.Deadlines.withDefaults()
	next := c.Transport
	if next == nil {
		next = &network{settings: conf, registry: host, insecure: at.insecure, limits: limits, jobs: c.Parallel()}
	}
	if c.Around != nil {
		next = c.Around(next)
	}
	s.guard = &guard{host: host, limits: limits, next: next, plain: func(h string) bool {
		return h == host && at.insecure || c.plain(h) || conf.insecureHost(h)
	}}
	s.rt = &retrier{client: c, host: host, next: s.guard}
	s.opts = []remote.Option{
		remote.WithContext(ctx), remote.WithAuth(authn.FromConfig(s.auth)), remote.WithJobs(c.Parallel()),
		remote.WithTransport(s.rt), remote.WithUserAgent(c.UserAgent),
		// The library's own attempts would multiply those of the retrier.
		remote.WithRetryBackoff(remote.Backoff{Steps: 1}), remote.WithRetryStatusCodes(),
	}
	return s, nil
}

// findRemote looks an image up in the places that its name may denote. The pinned
// reference has the name that was asked for, wherever the image is fetched from.
func (c Client) findRemote(ctx context.Context, n string, platform v1.Platform) (oci.Source, error) {
	if src, ok, err := c.findBeside(n, platform); ok || err != nil {
		return src, err
	}
	conf, err := c.settings()
	if err != nil {
		return oci.Source{}, err
	}
	places, err := conf.sources(n)
	if err != nil {
		return oci.Source{}, err
	}
	var errs []error
	for i, at := range places {
		s, err := c.connect(ctx, conf, at)
		if err != nil {
			return oci.Source{}, err
		}
		img, err := s.find(platform)
		if err == nil {
			return s.found(img)
		}
		if err = s.Explain(ctx, err); ctx.Err() != nil {
			return oci.Source{}, err
		}
		errs = append(errs, err)
		if i+1 < len(places) {
			c.Tell(oci.Event{Kind: "note", Name: n, Text: fmt.Sprintf("%s; trying %s", err, places[i+1].at)})
		}
	}
	return oci.Source{}, errors.Join(errs...)
}

func (s *session) found(img v1.Image) (oci.Source, error) {
	h, err := img.Digest()
	if err != nil {
		return oci.Source{}, err
	}
	asked, err := name.ParseReference(s.at.name.String())
	if err != nil {
		return oci.Source{}, err
	}
	return oci.Source{Ref: asked.Context().Name() + "@" + h.String(), Image: img, Remote: s}, nil
}

// find opens the image for a platform.
func (s *session) find(platform v1.Platform) (v1.Image, error) {
	desc, err := remote.Get(s.ref, s.opts...)
	if err != nil {
		return nil, s.notJSON(err)
	}
	if err := checkDocument(desc.Manifest); err != nil {
		return nil, err
	}
	img, err := s.open(desc, platform)
	if err != nil {
		return nil, err
	}
	return img, s.expectConfig(img)
}

func (s *session) open(desc *remote.Descriptor, platform v1.Platform) (v1.Image, error) {
	if !desc.MediaType.IsIndex() {
		return desc.Image()
	}
	if _, err := oci.ParseIndex(desc.Manifest); err != nil {
		return nil, err
	}
	index, err := desc.ImageIndex()
	if err != nil {
		return nil, err
	}
	all, err := s.children(index, 0)
	if err != nil {
		return nil, err
	}
	c, err := oci.Choose(all, platform)
	if err != nil {
		return nil, fmt.Errorf("%s has %w", s.ref, err)
	}
	return c.Open()
}

// children are the images below an index.
func (s *session) children(index v1.ImageIndex, depth int) ([]oci.Candidate, error) {
	if depth > oci.MaxIndexDepth {
		return nil, errors.New("indexes are nested too deeply")
	}
	m, err := index.IndexManifest()
	if err != nil {
		return nil, err
	}
	var out []oci.Candidate
	for _, d := range m.Manifests {
		if err := oci.CheckDigest(d.Digest); err != nil {
			return nil, err
		}
		switch {
		case d.MediaType.IsIndex():
			below, err := index.ImageIndex(d.Digest)
			if err != nil {
				return nil, err
			}
			more, err := s.children(below, depth+1)
			if err != nil {
				return nil, err
			}
			out = append(out, more...)
		case d.MediaType.IsImage():
			open := func() (v1.Image, error) { return index.Image(d.Digest) }
			out = append(out, oci.Candidate{Digest: d.Digest, Platform: d.Platform, Open: open, Config: func() (*v1.ConfigFile, error) {
				img, err := open()
				if err == nil {
					err = s.expectConfig(img)
				}
				if err != nil {
					return nil, err
				}
				return img.ConfigFile()
			}})
		}
	}
	return out, nil
}

// expectConfig notes which blob is a config, and so a small document.
func (s *session) expectConfig(img v1.Image) error {
	m, err := img.Manifest()
	if err == nil {
		s.guard.document(m.Config.Digest.String())
	}
	return err
}

// blob opens a blob from an offset on. If the registry does not support ranges, the
// whole blob is sent, and from is 0.
func (s *session) blob(ctx context.Context, h v1.Hash, offset int64) (rc io.ReadCloser, from int64, err error) {
	client, err := s.blobClient(ctx)
	if err != nil {
		return nil, 0, err
	}
	repo := s.ref.Context()
	u := url.URL{Scheme: repo.Scheme(), Host: repo.RegistryStr(), Path: "/v2/" + repo.RepositoryStr() + "/blobs/" + h.String()}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return nil, 0, err
	}
	req.Header.Set("Accept-Encoding", "identity") // the offset would be in the compressed form
	if offset > 0 {
		req.Header.Set("Range", fmt.Sprintf("bytes=%d-", offset))
	}
	res, err := client.Do(req)
	if err != nil {
		return nil, 0, err
	}
	var start int64
	_, scanned := fmt.Sscanf(res.Header.Get("Content-Range"), "bytes %d-", &start)
	switch {
	case offset > 0 && res.StatusCode == http.StatusPartialContent && scanned == nil && start == offset:
		return res.Body, offset, nil
	case offset > 0 && res.StatusCode == http.StatusRequestedRangeNotSatisfiable:
		res.Body.Close()
		return s.blob(ctx, h, 0)
	}
	if err := transport.CheckError(res, http.StatusOK); err != nil {
		res.Body.Close()
		return nil, 0, err
	}
	return res.Body, 0, nil
}

// blobClient is the client for blobs, which is made when it is first needed.
func (s *session) blobClient(ctx context.Context) (*http.Client, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.blobs != nil {
		return s.blobs, nil
	}
	c, err := s.newClient(ctx, s.ref.Context().Scope(transport.PullScope))
	if err == nil {
		s.blobs = c
	}
	return c, err
}

func (s *session) newClient(ctx context.Context, scope string) (*http.Client, error) {
	repo := s.ref.Context()
	rt := transport.NewUserAgent(s.rt, s.client.UserAgent)
	t, err := transport.NewWithContext(ctx, repo.Registry, authn.FromConfig(s.auth), rt, []string{scope})
	if err != nil {
		return nil, err
	}
	return &http.Client{Transport: t}, nil
}
