// SPDX-License-Identifier: MPL-2.0

package registry

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/carosio/carosbuild/pkg/oci"
)

// Client holds the settings for talking to registries. The zero value reads no
// settings and has no credentials.
type Client struct {
	Env       func(string) string // where settings and credentials are looked for, as podman and docker do
	UID       int                 // account whose settings and credentials these are
	Store     Store               // the local store; nil: there is none
	Insecure  []string            // hosts, with port, that may be spoken to without TLS; this machine always may
	Transport http.RoundTripper   // nil: one with the system's certificates
	// Around puts something in front of the transport that reaches hosts; nil: nothing.
	Around    func(http.RoundTripper) http.RoundTripper
	Layout    string // directory of an OCI layout that is asked first for images named by digest, "" for none
	UserAgent string
	Deadlines Deadlines
	Scratch   string // directory in which a compressed archive is unpacked; "" means the system's

	oci.Transfer

	Backoff remote.Backoff // pause between attempts of a request; the zero value means the default
	root    string         // prefix of system files, "" except in tests
}

func (c Client) getenv(key string) string {
	if c.Env == nil {
		return ""
	}
	return c.Env(key)
}

// Resolve looks a reference up and pins it: the result will always name the same
// image. For a registry, it has the digest of the manifest for arch, which is a Go
// or Debian name ("" means this machine's).
func (c Client) Resolve(ctx context.Context, ref, arch string) (string, error) {
	f, err := c.Find(ctx, ref, arch)
	if err != nil {
		return "", fmt.Errorf("resolve %s: %w", ref, err)
	}
	return f.Ref, nil
}

// OpenTars opens the layers of an image in a registry, an OCI layout or a docker
// archive, named by any reference for which oci.IsStored is false. Layers that the
// cache does not have are fetched and decompressed once; data that does not match
// its digest is not used.
func (c Client) OpenTars(ctx context.Context, ref, arch string, cache oci.TarCache) (*oci.Tars, error) {
	t, err := c.openTars(ctx, ref, arch, cache)
	if err != nil {
		return nil, fmt.Errorf("open image %s: %w", ref, err)
	}
	return t, nil
}

func (c Client) openTars(ctx context.Context, ref, arch string, cache oci.TarCache) (*oci.Tars, error) {
	if oci.IsStored(ref) {
		return nil, errors.New("it is in the local store, which is opened as a whole")
	}
	src, err := c.Find(ctx, ref, arch)
	if err != nil {
		return nil, err
	}
	return src.OpenTars(ctx, cache)
}

// Store looks images up in the store of this machine, which need not be open.
type Store interface {
	// ImageID is the id of an image, given its name or its id.
	ImageID(name string) (string, error)
	// ImageConfig is the configuration of the image with an id.
	ImageConfig(id string) ([]byte, error)
}

// Find looks a reference up. oci.Source.Check tells whether the parts of the image
// are consistent.
func (c Client) Find(ctx context.Context, ref, arch string) (oci.Source, error) {
	src, err := c.find(ctx, ref, arch)
	src.Transfer = c.Transfer
	return src, err
}

func (c Client) find(ctx context.Context, ref, arch string) (oci.Source, error) {
	p, err := oci.ParseReference(ref)
	if err != nil {
		return oci.Source{}, err
	}
	platform := oci.PlatformOf(arch)
	switch p.Kind {
	case oci.KindScratch:
		return oci.Source{Ref: "scratch"}, nil
	case oci.KindLayout, oci.KindArchive:
		return oci.FindFile(p, platform, c.Scratch)
	case oci.KindStore:
		if c.Store == nil {
			return oci.Source{}, errors.New("there is no local store")
		}
		id, err := c.Store.ImageID(p.Name)
		return oci.Source{Ref: "containers-storage:@" + id, StoredID: id}, err
	}
	return c.findRemote(ctx, p.Name, platform)
}

// plain reports whether a host may be used without TLS.
func (c Client) plain(host string) bool {
	if slices.Contains(c.Insecure, host) {
		return true
	}
	h, _, err := net.SplitHostPort(host)
	if err != nil {
		h = strings.Trim(host, "[]")
	}
	if h == "localhost" {
		return true
	}
	ip := net.ParseIP(h)
	return ip != nil && ip.IsLoopback()
}

// backoff is the pause between attempts of a request.
func (c Client) backoff() remote.Backoff {
	if c.Backoff.Steps > 0 {
		return c.Backoff
	}
	return remote.Backoff{Duration: 500 * time.Millisecond, Factor: 3, Jitter: 0.2, Steps: 5, Cap: 30 * time.Second}
}
