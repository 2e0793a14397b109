// This Source Code Form is subject to the terms of the Mozilla Public
// License, v. 2.0. If a copy of the MPL was not distributed with this
// file, You can obtain one at https://mozilla.org/MPL/2.0/.

package layer

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptrace"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"go.podman.io/image/v5/pkg/tlsclientconfig"
)

// network is the way to the hosts of one transfer. Each has its own
// certificates, from podman's and docker's certs.d.
type network struct {
	settings settings
	registry string // host and port: its authorities are trusted for hosts that it leads to, as podman has it
	insecure bool   // its certificate is not checked
	limits   Deadlines
	jobs     int

	mu    sync.Mutex
	hosts map[string]*http.Transport
}

// RoundTrip sends a request.
func (n *network) RoundTrip(req *http.Request) (*http.Response, error) {
	t, err := n.host(req.URL.Host)
	if err != nil {
		return nil, err
	}
	return t.RoundTrip(req)
}

// CloseIdleConnections ends the connections that nobody uses.
func (n *network) CloseIdleConnections() {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, t := range n.hosts {
		t.CloseIdleConnections()
	}
}

func (n *network) host(host string) (*http.Transport, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if t := n.hosts[host]; t != nil {
		return t, nil
	}
	conf := &tls.Config{MinVersion: tls.VersionTLS12}
	if err := n.certificates(n.registry, conf); err != nil {
		return nil, err
	}
	if host != n.registry {
		conf.Certificates = nil // are the registry's business
		if err := n.certificates(host, conf); err != nil {
			return nil, err
		}
	}
	// What is declared as insecure may show any certificate.
	conf.InsecureSkipVerify = host == n.registry && n.insecure || n.settings.insecureHost(host)
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.TLSClientConfig = conf
	t.DialContext = dial(n.limits.Connect)
	t.MaxIdleConnsPerHost = n.jobs
	if n.hosts == nil {
		n.hosts = map[string]*http.Transport{}
	}
	n.hosts[host] = t
	return t, nil
}

func (n *network) certificates(host string, conf *tls.Config) error {
	for _, d := range n.settings.certDirs(host) {
		if _, err := os.Stat(d); err != nil {
			continue
		}
		if err := tlsclientconfig.SetupCertificates(d, conf); err != nil {
			return fmt.Errorf("read the certificates for %s in %s: %w", host, d, err)
		}
		return nil // only the first, as podman has it
	}
	return nil
}

// certDirs are where the certificates for a host may be.
func (s settings) certDirs(host string) []string {
	if s.sys == nil {
		return nil
	}
	root := s.sys.RootForImplicitAbsolutePaths
	return []string{
		filepath.Join(s.home, "certs.d", host),
		filepath.Join(root, "/etc/containers/certs.d", host), filepath.Join(root, "/usr/share/containers/certs.d", host),
		filepath.Join(root, "/etc/docker/certs.d", host),
	}
}

// dial connects within a time that begins when the host's name is resolved.
func dial(within time.Duration) func(ctx context.Context, network, addr string) (net.Conn, error) {
	const resolving = 10 * time.Second
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		ctx, cancel := context.WithCancelCause(ctx)
		defer cancel(nil)
		var late atomic.Pointer[slowError]
		late.Store(&slowError{addr, "was not resolved", resolving})
		timer := time.AfterFunc(resolving, func() { cancel(late.Load()) })
		defer timer.Stop()
		var once sync.Once
		trace := &httptrace.ClientTrace{ConnectStart: func(string, string) {
			once.Do(func() {
				late.Store(&slowError{addr, "did not take a connection", within})
				timer.Reset(within)
			})
		}}
		conn, err := (&net.Dialer{KeepAlive: 30 * time.Second}).DialContext(httptrace.WithClientTrace(ctx, trace), network, addr)
		var slow *slowError
		if err != nil && errors.As(context.Cause(ctx), &slow) {
			err = &net.OpError{Op: "dial", Net: network, Err: slow}
		}
		return conn, err
	}
}
