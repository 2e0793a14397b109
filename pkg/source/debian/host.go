// SPDX-License-Identifier: MPL-2.0

package debian

import (
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"reflect"
	"slices"
	"sort"
	"strings"
	"time"
)

// Environment variables that name mirrors.
const (
	EnvMirror               = "CAROSBUILD_DEBIAN_MIRROR"
	EnvSecurityMirror       = "CAROSBUILD_DEBIAN_SECURITY_MIRROR"
	EnvUbuntuMirror         = "CAROSBUILD_UBUNTU_MIRROR"
	EnvUbuntuSecurityMirror = "CAROSBUILD_UBUNTU_SECURITY_MIRROR"
)

// Host has this machine's settings for mirrors: from its environment or else from
// its apt configuration. The zero value has no settings and checks everything.
// Addresses of mirrors have no user and password, which only HTTPClient and Relay
// know.
type Host struct {
	Mirror         string   `json:"mirror,omitempty"`          // Debian's; "" if none is named
	SecurityMirror string   `json:"security_mirror,omitempty"` // may be "none", from the environment
	Keyrings       []string `json:"keyrings,omitzero"`         // paths of archive keyrings found on the host

	UbuntuMirror         string   `json:"ubuntu_mirror,omitempty"`
	UbuntuSecurityMirror string   `json:"ubuntu_security_mirror,omitempty"`
	UbuntuKeyrings       []string `json:"ubuntu_keyrings,omitzero"`

	// Proxies; "" is a direct connection. An address may contain a password, so it
	// must not appear in messages or steps: see Relay and Public.
	HTTPProxy  string   `json:"http_proxy,omitempty"`
	HTTPSProxy string   `json:"https_proxy,omitempty"`
	NoProxy    []string `json:"no_proxy,omitzero"` // hosts and ".domain" suffixes that are reached without a proxy

	IgnoreValidUntil bool `json:"ignore_valid_until,omitempty"` // apt's Acquire::Check-Valid-Until is false
	IgnoreDate       bool `json:"ignore_date,omitempty"`        // apt's Acquire::Check-Date is false

	// Vendored is a directory with what Export has written, "" for none. All archives are
	// read from there, and from no mirror.
	Vendored string `json:"-"`

	logins    []login
	recording *recording // nil: nothing is recorded
}

// ReadHost reads the apt configuration under root ("/" except in tests): sources in
// both formats, proxies, passwords and date checks, and the environment through
// env. Only sources of Debian's and Ubuntu's own archives are used. An absent file
// is not an error; a malformed file is.
func ReadHost(root string, env func(string) string) (Host, error) {
	conf, err := readAptConf(root)
	if err != nil {
		return Host{}, err
	}
	entries, err := readSources(root)
	if err != nil {
		return Host{}, err
	}
	h := Host{
		HTTPProxy:        conf["acquire::http::proxy"],
		HTTPSProxy:       conf["acquire::https::proxy"],
		IgnoreValidUntil: isFalse(conf["acquire::check-valid-until"]),
		IgnoreDate:       isFalse(conf["acquire::check-date"]),
	}
	if h.logins, err = readAuth(root); err != nil {
		return Host{}, err
	}
	h.pickMirrors(entries)
	h.addKeyrings(root)
	h.readEnv(env)
	for _, m := range []*string{&h.Mirror, &h.SecurityMirror, &h.UbuntuMirror, &h.UbuntuSecurityMirror} {
		var found []login
		*m, found = splitLogin(*m)
		h.logins = append(found, h.logins...)
	}
	for name, value := range conf {
		if host, ok := strings.CutPrefix(name, "acquire::http::proxy::"); ok && strings.EqualFold(value, "DIRECT") {
			h.NoProxy = append(h.NoProxy, host)
		}
	}
	sort.Strings(h.NoProxy)
	for _, p := range []*string{&h.HTTPProxy, &h.HTTPSProxy} {
		if strings.EqualFold(*p, "DIRECT") || strings.EqualFold(*p, "false") {
			*p = ""
		}
	}
	return h, nil
}

// Public is h without secrets and without what is specific to the machine:
// passwords, proxies that need one, and the paths of keyrings.
func (h Host) Public() Host {
	h.Keyrings, h.UbuntuKeyrings, h.logins, h.Vendored, h.recording = nil, nil, nil, "", nil
	for _, p := range []*string{&h.HTTPProxy, &h.HTTPSProxy} {
		if hasLogin(*p) {
			*p = ""
		}
	}
	return h
}

// Equal reports whether two hosts have the same settings.
func (h Host) Equal(other Host) bool { return reflect.DeepEqual(h, other) }

func isFalse(s string) bool {
	return slices.Contains([]string{"no", "false", "without", "off", "disable", "0"}, strings.ToLower(s))
}

func (h *Host) readEnv(env func(string) string) {
	set := func(to *string, names ...string) {
		for _, n := range names {
			if v := env(n); v != "" {
				*to = v
				return
			}
		}
	}
	set(&h.Mirror, EnvMirror)
	set(&h.SecurityMirror, EnvSecurityMirror)
	set(&h.UbuntuMirror, EnvUbuntuMirror)
	set(&h.UbuntuSecurityMirror, EnvUbuntuSecurityMirror)
	if h.HTTPProxy == "" {
		set(&h.HTTPProxy, "http_proxy")
	}
	if h.HTTPSProxy == "" {
		set(&h.HTTPSProxy, "https_proxy", "HTTPS_PROXY")
	}
	for _, host := range strings.Split(env("no_proxy"), ",") {
		if host = strings.TrimSpace(host); host != "" {
			h.NoProxy = append(h.NoProxy, host)
		}
	}
}

// pickMirrors chooses the first main and the first security archive of each
// distribution.
func (h *Host) pickMirrors(entries []sourceEntry) {
	for _, d := range distributions() {
		to := h.of(d)
		for _, e := range entries {
			if !e.isOf(d) {
				continue
			}
			mirror := to.mirror
			if e.isSecurity() {
				mirror = to.security
			}
			if *mirror == "" {
				*mirror = strings.TrimRight(e.URI, "/")
			}
			if path.IsAbs(e.SignedBy) && !slices.Contains(*to.keyrings, e.SignedBy) {
				*to.keyrings = append(*to.keyrings, e.SignedBy)
			}
		}
	}
}

// hostPart is the host's settings for one distribution.
type hostPart struct {
	mirror, security *string
	keyrings         *[]string
}

func (h *Host) of(d distribution) hostPart {
	if d.name == ubuntu {
		return hostPart{&h.UbuntuMirror, &h.UbuntuSecurityMirror, &h.UbuntuKeyrings}
	}
	return hostPart{&h.Mirror, &h.SecurityMirror, &h.Keyrings}
}

// addKeyrings adds the usual paths of the archives' keyrings.
func (h *Host) addKeyrings(root string) {
	for _, d := range distributions() {
		list := h.of(d).keyrings
		for _, ending := range []string{".gpg", ".pgp", ".asc"} {
			p := d.keyring + ending
			if _, err := os.Stat(filepath.Join(root, p)); err == nil && !slices.Contains(*list, p) {
				*list = append(*list, p)
			}
		}
		for i, p := range *list {
			(*list)[i] = filepath.Join(root, p)
		}
	}
}

// HTTPClient makes a client that uses h's proxies and passwords. It also reads
// file:// addresses. Bodies are not decompressed, so that ranges and hashes refer
// to the files on the server.
func (h Host) HTTPClient() *http.Client {
	return &http.Client{Transport: h.transport(), CheckRedirect: checkRedirect}
}

// checkRedirect prevents a mirror on the network from redirecting to files of this
// machine.
func checkRedirect(q *http.Request, via []*http.Request) error {
	switch {
	case len(via) >= 10:
		return errors.New("more than ten redirects")
	case q.URL.Scheme != "http" && q.URL.Scheme != "https":
		return fmt.Errorf("a redirect to %s", q.URL.Redacted())
	}
	return nil
}

func (h Host) transport() http.RoundTripper {
	t := &http.Transport{
		Proxy:                 h.proxy,
		DisableCompression:    true,
		MaxIdleConnsPerHost:   16,
		TLSHandshakeTimeout:   20 * time.Second,
		ResponseHeaderTimeout: 60 * time.Second,
		IdleConnTimeout:       30 * time.Second,
	}
	t.RegisterProtocol("file", http.NewFileTransport(http.Dir("/")))
	return loginTransport{t, h.logins}
}

func (h Host) proxy(r *http.Request) (*url.URL, error) {
	address := h.HTTPProxy
	if r.URL.Scheme == "https" {
		address = h.HTTPSProxy
	}
	if address == "" || h.direct(r.URL.Hostname()) {
		return nil, nil
	}
	return proxyURL(address)
}

// direct reports whether a server is reached without a proxy.
func (h Host) direct(host string) bool {
	return slices.ContainsFunc(h.NoProxy, func(no string) bool { return covers(no, host) })
}

func covers(no, host string) bool {
	no = strings.TrimPrefix(no, ".")
	return no == "*" || no == host || strings.HasSuffix(host, "."+no)
}

// readIfThere reads a file of the host; an absent file is not an error.
func readIfThere(name string) (string, error) {
	data, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("read the host's apt configuration: %w", err)
	}
	return string(data), nil
}

// partsOf lists the files of a configuration directory that apt would read, in its
// order: plain names with one of the extensions.
func partsOf(dir string, endings ...string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the host's apt configuration: %w", err)
	}
	var names []string
	for _, e := range entries {
		if slices.Contains(endings, path.Ext(e.Name())) && !e.IsDir() && e.Name()[0] != '.' {
			names = append(names, filepath.Join(dir, e.Name()))
		}
	}
	return names, nil
}
