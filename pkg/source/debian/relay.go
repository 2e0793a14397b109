// SPDX-License-Identifier: MPL-2.0

package debian

import (
	"bufio"
	"context"
	"crypto/rand"
	"crypto/subtle"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// Relay is a proxy on the loopback interface for apt in a step. It adds the
// passwords of the host's proxy and mirrors, so that steps cannot read them. A
// token made for one run keeps other accounts of the machine from using it.
type Relay struct {
	host     Host
	expected []byte // value of Proxy-Authorization
	address  string
	server   *http.Server
	out      http.RoundTripper
	cancel   context.CancelFunc // ends tunnels, which are hijacked from the server
	done     chan struct{}
}

// NeedsRelay reports whether the host's configuration has a user or password that
// apt in a step would need and may not see.
func (h Host) NeedsRelay() bool {
	return len(h.logins) > 0 || h.recording != nil || relayed(h.HTTPProxy) || relayed(h.HTTPSProxy)
}

// relayed reports whether a step gets the relay in place of a proxy.
func relayed(proxy string) bool {
	if !hasLogin(proxy) {
		return false
	}
	u, err := proxyURL(proxy)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https")
}

// Withheld names the apt options that steps do not get: the proxy has a password,
// and is of a kind that cannot be relayed.
func (h Host) Withheld() []string {
	var names []string
	for _, o := range []struct{ name, value string }{{"http proxy", h.HTTPProxy}, {"https proxy", h.HTTPSProxy}} {
		if hasLogin(o.value) && !relayed(o.value) {
			names = append(names, o.name)
		}
	}
	return names
}

// StartRelay listens on a free port of the loopback interface until Close.
func (h Host) StartRelay(ctx context.Context) (*Relay, error) {
	var listen net.ListenConfig
	l, err := listen.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("proxy for steps: %w", err)
	}
	word := rand.Text()
	ctx, cancel := context.WithCancel(ctx)
	r := &Relay{
		host:     h,
		expected: []byte("Basic " + base64.StdEncoding.EncodeToString([]byte("carosbuild:"+word))),
		address:  "http://carosbuild:" + word + "@" + l.Addr().String(),
		out:      h.transport(),
		cancel:   cancel,
		done:     make(chan struct{}),
	}
	r.server = &http.Server{Handler: r, ReadHeaderTimeout: time.Minute, BaseContext: func(net.Listener) context.Context { return ctx }}
	go func() {
		defer close(r.done)
		_ = r.server.Serve(l) // ends with Close
	}()
	return r, nil
}

// Close ends the relay and all connections through it. Closing a nil Relay does
// nothing.
func (r *Relay) Close() error {
	if r == nil {
		return nil
	}
	r.cancel()
	err := r.server.Close()
	<-r.done
	return err
}

// Address is the address of the relay for apt's proxy option; "" for a nil Relay.
func (r *Relay) Address() string {
	if r == nil {
		return ""
	}
	return r.address
}

func (r *Relay) ServeHTTP(w http.ResponseWriter, q *http.Request) {
	if subtle.ConstantTimeCompare([]byte(q.Header.Get("Proxy-Authorization")), r.expected) != 1 {
		w.Header().Set("Proxy-Authenticate", `Basic realm="carosbuild"`)
		http.Error(w, "this proxy is for the steps of one build", http.StatusProxyAuthRequired)
		return
	}
	var err error
	if q.Method == http.MethodConnect {
		err = r.connect(w, q)
	} else {
		err = r.forward(w, q)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
	}
}

// hopHeaders belong to one connection (RFC 9110, 7.6.1).
var hopHeaders = []string{"Connection", "Keep-Alive", "Proxy-Authorization", "Proxy-Connection", "Te", "Trailer", "Transfer-Encoding", "Upgrade"}

// forward passes one request on, to a mirror or through a proxy that needs a
// password. Steps reach everything else without the relay.
func (r *Relay) forward(w http.ResponseWriter, q *http.Request) error {
	// Other methods could return the password (TRACE), or write (PUT).
	if q.Method != http.MethodGet && q.Method != http.MethodHead {
		return fmt.Errorf("%s is not what apt asks of a mirror", q.Method)
	}
	out := q.Clone(q.Context())
	out.RequestURI = ""
	if a, rest, ok := r.host.recording.of(out.URL); ok {
		return r.record(w, out, a, rest)
	}
	for _, name := range hopHeaders {
		out.Header.Del(name)
	}
	l, toMirror := r.host.loginFor(out.URL)
	switch {
	case out.URL.Scheme != "http" || out.URL.Host == "":
		return errors.New("not the address of a mirror")
	case toMirror:
		out.URL.Scheme = l.scheme
	case !relayed(r.host.HTTPProxy):
		return fmt.Errorf("%s needs no password", out.URL.Host)
	}
	answer, err := r.out.RoundTrip(out)
	if err != nil {
		return errors.New("the mirror or its proxy could not be reached") // err may name the proxy
	}
	defer answer.Body.Close()
	if to := answer.Header.Get("Location"); toMirror && strings.HasPrefix(to, l.scheme+"://"+out.URL.Host+"/") {
		answer.Header.Set("Location", "http"+strings.TrimPrefix(to, l.scheme))
	}
	for name, values := range answer.Header {
		if !slices.Contains(hopHeaders, name) {
			w.Header()[name] = values
		}
	}
	w.WriteHeader(answer.StatusCode)
	if _, err := io.Copy(w, answer.Body); err != nil {
		panic(http.ErrAbortHandler) // so that apt does not consider the answer complete
	}
	return nil
}

// loginFor is the login of a mirror whose address in steps has none.
func (h Host) loginFor(u *url.URL) (login, bool) {
	for _, l := range h.logins {
		if twin := *u; l.host == strings.ToLower(u.Host) {
			twin.Scheme = l.scheme
			if l.covers(&twin) {
				return l, true
			}
		}
	}
	return login{}, false
}

// connect opens a tunnel through the host's https proxy.
func (r *Relay) connect(w http.ResponseWriter, q *http.Request) error {
	if !relayed(r.host.HTTPSProxy) {
		return fmt.Errorf("%s needs no password", q.Host)
	}
	proxy, err := proxyURL(r.host.HTTPSProxy)
	if err != nil {
		return err
	}
	server, reader, err := tunnel(q.Context(), proxy, q.Host)
	if err != nil {
		return err
	}
	defer server.Close()
	hijacker, ok := w.(http.Hijacker)
	if !ok {
		return errors.New("this connection cannot become a tunnel")
	}
	client, buffered, err := hijacker.Hijack()
	if err != nil {
		return err
	}
	defer client.Close()
	if _, err := io.WriteString(client, "HTTP/1.1 200 OK\r\n\r\n"); err != nil {
		return nil // the client has closed the connection
	}
	stop := context.AfterFunc(q.Context(), func() { client.Close(); server.Close() })
	defer stop()
	ended := make(chan struct{}, 2)
	for _, way := range []struct {
		to   net.Conn
		from io.Reader
	}{{server, buffered}, {client, reader}} {
		go func() {
			_, _ = io.Copy(way.to, way.from)
			ended <- struct{}{}
		}()
	}
	<-ended
	client.Close()
	server.Close()
	<-ended
	return nil
}

// tunnel asks a proxy for a connection to target. Data that the proxy sent after
// its answer is in the reader.
func tunnel(ctx context.Context, proxy *url.URL, target string) (net.Conn, *bufio.Reader, error) {
	const unreachable = "the host's https proxy could not be reached"
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	port := proxy.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[proxy.Scheme]
	}
	var d interface {
		DialContext(ctx context.Context, network, address string) (net.Conn, error)
	} = &net.Dialer{}
	if proxy.Scheme == "https" {
		d = &tls.Dialer{}
	}
	c, err := d.DialContext(ctx, "tcp", net.JoinHostPort(proxy.Hostname(), port))
	if err != nil {
		return nil, nil, errors.New(unreachable)
	}
	q := &http.Request{Method: http.MethodConnect, URL: &url.URL{Opaque: target}, Host: target, Header: http.Header{}}
	password, _ := proxy.User.Password()
	word := base64.StdEncoding.EncodeToString([]byte(proxy.User.Username() + ":" + password))
	q.Header.Set("Proxy-Authorization", "Basic "+word)
	stop := context.AfterFunc(ctx, func() { c.Close() })
	reader := bufio.NewReader(c)
	err = q.Write(c)
	var answer *http.Response
	if err == nil {
		answer, err = http.ReadResponse(reader, q)
	}
	if stop(); err != nil {
		c.Close()
		return nil, nil, errors.New(unreachable)
	}
	if answer.StatusCode != http.StatusOK {
		c.Close()
		return nil, nil, fmt.Errorf("the host's https proxy answers %s", answer.Status)
	}
	return c, reader, nil
}
