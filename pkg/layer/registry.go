// This Source Code Form is subject to the terms of the Mozilla Public
// License, v. 2.0. If a copy of the MPL was not distributed with this
// file, You can obtain one at https://mozilla.org/MPL/2.0/.

package layer

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
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

	retry remote.Backoff // the zero value means the usual one
}

// TransferEvent tells how a transfer goes on.
type TransferEvent struct {
	Kind   string // "pull", "push", "compress" or "export"
	Name   string // image
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
		img, err := openArchive(p.path, p.name, p.digest)
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

func (r Registry) findRemote(ctx context.Context, n string, platform v1.Platform) (found, error) {
	conf, err := r.settings()
	if err != nil {
		return found{}, err
	}
	var errs error
	for _, candidate := range conf.candidates(n) {
		if conf.blocked(candidate) {
			return found{}, fmt.Errorf("registries.conf blocks %s", candidate)
		}
		parsed, err := name.ParseReference(candidate, r.nameOptions(candidate, conf)...)
		if err != nil {
			return found{}, err
		}
		opts, err := r.remoteOptions(ctx, conf, parsed.Context().RegistryStr())
		if err != nil {
			return found{}, err
		}
		desc, err := remote.Get(parsed, append(opts, remote.WithPlatform(platform))...)
		if err != nil {
			errs = errors.Join(errs, err)
			continue
		}
		img, err := desc.Image()
		if err != nil {
			return found{}, err
		}
		h, err := img.Digest()
		if err != nil {
			return found{}, err
		}
		return found{pinned: parsed.Context().Name() + "@" + h.String(), image: img}, nil
	}
	return found{}, errs
}

// nameOptions permit plain HTTP to hosts for which it is declared.
func (r Registry) nameOptions(ref string, conf registriesConf) []name.Option {
	host, _, _ := strings.Cut(ref, "/")
	if r.plain(host) || conf.insecure(ref) {
		return []name.Option{name.Insecure}
	}
	return nil
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

// retryStatus are the answers after which a request is worth repeating.
func retryStatus() []int {
	return []int{
		http.StatusRequestTimeout, http.StatusTooManyRequests, http.StatusInternalServerError,
		http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout,
	}
}

func (r Registry) remoteOptions(ctx context.Context, conf registriesConf, host string) ([]remote.Option, error) {
	keys, err := r.keychain(ctx)
	if err != nil {
		return nil, err
	}
	rt := r.Transport
	if rt == nil {
		t := http.DefaultTransport.(*http.Transport).Clone()
		t.ResponseHeaderTimeout = time.Minute
		t.MaxIdleConnsPerHost = r.jobs()
		rt = t
	}
	return []remote.Option{
		remote.WithContext(ctx), remote.WithAuthFromKeychain(keys), remote.WithJobs(r.jobs()),
		remote.WithTransport(&guard{r, conf, host, rt}), remote.WithRetryBackoff(r.backoff()),
		remote.WithRetryStatusCodes(retryStatus()...), remote.WithUserAgent(r.UserAgent),
	}, nil
}

// platformOf is the platform of a Go or Debian architecture name.
func platformOf(arch string) v1.Platform {
	p := v1.Platform{OS: "linux", Architecture: arch}
	switch arch {
	case "":
		return platformOf(runtime.GOARCH)
	case "armhf", "arm":
		p.Architecture, p.Variant = "arm", "v7"
	case "armel":
		p.Architecture, p.Variant = "arm", "v5"
	case "i386":
		p.Architecture = "386"
	case "ppc64el":
		p.Architecture = "ppc64le"
	case "mips64el":
		p.Architecture = "mips64le"
	}
	return p
}

// IsNetwork reports whether an error is one of the network or of a registry
// that does not answer as it should, rather than of what was asked for.
func IsNetwork(err error) bool {
	var t *transport.Error
	if errors.As(err, &t) {
		return t.StatusCode >= 500 || slices.Contains(retryStatus(), t.StatusCode)
	}
	var op *net.OpError // not net.Error: every system error is one
	var dns *net.DNSError
	var u *url.Error
	var verify *tls.CertificateVerificationError
	var authority x509.UnknownAuthorityError
	return errors.As(err, &u) || errors.As(err, &verify) || errors.As(err, &authority) ||
		errors.As(err, &op) || errors.As(err, &dns) || errors.Is(err, os.ErrDeadlineExceeded)
}
