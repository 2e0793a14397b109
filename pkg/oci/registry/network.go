// SPDX-License-Identifier: MPL-2.0

package registry

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"sync"
	"time"

	"go.podman.io/image/v5/pkg/tlsclientconfig"
)

// network is the connection to the hosts of one transfer. Each host has its own
// certificates, from podman's and docker's certs.d.
type network struct {
	settings settings
	registry string // host and port; as in podman, its authorities are trusted for hosts that it redirects to, too
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

// CloseIdleConnections closes the connections that are not in use.
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
		conf.Certificates = nil // left to the registry
		if err := n.certificates(host, conf); err != nil {
			return nil, err
		}
	}
	// A host declared as insecure may have any certificate.
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
		return nil // only the first, as in podman
	}
	return nil
}

// certDirs are the directories that may have certificates for a host.
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

// resolving is how long resolving a name may take.
const resolving = 10 * time.Second

// stagger is how long to wait for one address of a host before the next one is
// tried in parallel.
const stagger = 250 * time.Millisecond

// dial connects to the first address of a host that answers. The time limit begins
// when the host's name is resolved.
func dial(within time.Duration) func(ctx context.Context, network, addr string) (net.Conn, error) {
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		host, port, err := net.SplitHostPort(addr)
		if err != nil {
			return nil, err
		}
		lookup, cancel := context.WithTimeoutCause(ctx, resolving, &slowError{host, "was not resolved", resolving})
		ips, err := net.DefaultResolver.LookupNetIP(lookup, "ip", host)
		cancel()
		if err != nil {
			return nil, &net.OpError{Op: "dial", Net: network, Err: err}
		}
		slow := &slowError{addr, "did not take a connection", within}
		limited, cancel := context.WithTimeoutCause(ctx, within, slow)
		defer cancel()
		conn, err := dialAny(limited, network, ips, port)
		// The dialer has its own timer for the deadline, which may fire first.
		if err != nil && ctx.Err() == nil && (context.Cause(limited) == error(slow) || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, os.ErrDeadlineExceeded)) {
			err = &net.OpError{Op: "dial", Net: network, Err: slow}
		}
		return conn, err
	}
}

// dialAny tries the addresses in order, and the next in parallel if one is slow.
func dialAny(ctx context.Context, network string, ips []netip.Addr, port string) (net.Conn, error) {
	type result struct {
		conn net.Conn
		err  error
	}
	results := make(chan result, len(ips))
	var d net.Dialer
	next, under := 0, 0
	var errs error
	for {
		if next < len(ips) {
			addr := net.JoinHostPort(ips[next].Unmap().String(), port)
			next, under = next+1, under+1
			go func() {
				conn, err := d.DialContext(ctx, network, addr)
				results <- result{conn, err}
			}()
		}
		if under == 0 {
			return nil, errs
		}
		var later <-chan time.Time
		if next < len(ips) {
			later = time.After(stagger)
		}
		select {
		case <-later:
		case r := <-results:
			under--
			if r.err == nil {
				go func() { // connections that came too late
					for range under {
						if r := <-results; r.err == nil {
							r.conn.Close()
						}
					}
				}()
				return r.conn, nil
			}
			errs = errors.Join(errs, r.err)
		}
	}
}
