// This Source Code Form is subject to the terms of the Mozilla Public
// License, v. 2.0. If a copy of the MPL was not distributed with this
// file, You can obtain one at https://mozilla.org/MPL/2.0/.

package layer

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
)

// Registry says how registries are spoken to. The zero value reads no
// settings and has no credentials.
type Registry struct {
	Env       func(string) string // where settings and credentials are looked for, as podman and docker do
	UID       int                 // account of the local store, where Store is not given
	Store     Paths               // the local store; the zero value means PodmanPaths
	Insecure  []string            // hosts, with port, that may be spoken to without TLS; this machine always may
	Transport http.RoundTripper   // nil: one with the system's certificates
	Events    func(TransferEvent) // nil: none; called concurrently
	Jobs      int                 // transfers at a time; 0 means 4
	UserAgent string
	Deadlines Deadlines
	Scratch   string // directory in which a compressed archive is unpacked; "" means the system's

	retry remote.Backoff // the zero value means the usual one
	root  string         // of the files that belong to the system, "" but in tests
}

// TransferEvent tells how a transfer goes on.
type TransferEvent struct {
	Kind   string // "pull", "push", "compress" or "export"; "note" and "wait" have Text alone
	Name   string // image; of "wait" the registry
	Text   string // for a person
	Digest string // of the layer
	Done   int64  // bytes so far; -1 when there was nothing to do
	Total  int64  // bytes
}

func (r Registry) event(e TransferEvent) {
	if r.Events != nil {
		r.Events(e)
	}
}

func (r Registry) env(key string) string {
	if r.Env == nil {
		return ""
	}
	return r.Env(key)
}

func (r Registry) jobs() int {
	if r.Jobs > 0 {
		return r.Jobs
	}
	return 4
}

// Resolve looks a reference up and pins it: the result names the same image
// forever, for a registry with the digest of the manifest for arch, which is
// a Go or Debian name ("" for this machine's).
func (r Registry) Resolve(ctx context.Context, ref, arch string) (string, error) {
	f, err := r.find(ctx, ref, arch)
	if err != nil {
		return "", fmt.Errorf("resolve %s: %w", ref, err)
	}
	return f.pinned, nil
}

// found is an image somewhere.
type found struct {
	pinned  string
	image   v1.Image // nil for scratch and for the local store
	archive string   // the file, of a docker archive
	id      string   // of an image in the local store
	session *session // nil but for a registry
}

// explain is session.explain, if the image is of a registry.
func (f found) explain(ctx context.Context, err error) error {
	if f.session == nil {
		return err
	}
	return f.session.explain(ctx, err)
}

func (r Registry) find(ctx context.Context, ref, arch string) (found, error) {
	p, err := parseReference(ref)
	if err != nil {
		return found{}, err
	}
	platform := platformOf(arch)
	switch p.kind {
	case kindScratch:
		return found{pinned: "scratch"}, nil
	case kindLayout:
		img, err := openLayout(p.path, p.name, p.digest, platform)
		if err != nil {
			return found{}, err
		}
		h, err := img.Digest()
		return found{pinned: "oci:" + p.path + "@" + h.String(), image: img}, err
	case kindArchive:
		img, err := openArchive(p.path, p.name, p.digest, platform, r.Scratch)
		if err != nil {
			return found{}, err
		}
		h, err := img.ConfigName()
		return found{pinned: "docker-archive:" + p.path + "@" + h.String(), image: img, archive: p.path}, err
	case kindStore:
		id, err := r.local(p.name)
		return found{pinned: "containers-storage:@" + id, id: id}, err
	}
	return r.findRemote(ctx, p.name, platform)
}

// plain reports whether a host may be spoken to without TLS.
func (r Registry) plain(host string) bool {
	if slices.Contains(r.Insecure, host) {
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

// backoff is between the attempts of one request.
func (r Registry) backoff() remote.Backoff {
	if r.retry.Steps > 0 {
		return r.retry
	}
	return remote.Backoff{Duration: 500 * time.Millisecond, Factor: 3, Jitter: 0.2, Steps: 5, Cap: 30 * time.Second}
}
