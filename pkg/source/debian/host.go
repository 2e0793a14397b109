// This Source Code Form is subject to the terms of the Mozilla Public
// License, v. 2.0. If a copy of the MPL was not distributed with this
// file, You can obtain one at https://mozilla.org/MPL/2.0/.

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
	"slices"
	"sort"
	"strings"
	"time"
)

// The environment variables that name mirrors.
const (
	EnvMirror         = "CAROSBUILD_DEBIAN_MIRROR"
	EnvSecurityMirror = "CAROSBUILD_DEBIAN_SECURITY_MIRROR"
)

// Host is what the machine says about mirrors: its environment first, its apt
// configuration next. The zero value says nothing and checks everything.
type Host struct {
	Mirror         string   // "" if it names none
	SecurityMirror string   // may be "none", from the environment
	Keyrings       []string // paths of archive keyrings found on the host

	HTTPProxy, HTTPSProxy string   // "" is a direct connection
	NoProxy               []string // hosts and ".domain" suffixes to reach directly

	IgnoreValidUntil bool // apt's Acquire::Check-Valid-Until is false
	IgnoreDate       bool // apt's Acquire::Check-Date is false
}

// ReadHost reads the apt configuration under root ("/" but for tests): sources
// in both formats, proxies, date checks; and the environment through env. Of
// the sources only those of Debian's own archive count. What is absent is not
// an error; a malformed file is.
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
	h.pickMirrors(entries)
	h.addKeyrings(root)
	h.readEnv(env)
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

// pickMirrors takes the first main and the first security archive of Debian.
func (h *Host) pickMirrors(entries []sourceEntry) {
	for _, e := range entries {
		if !e.isDebian() {
			continue
		}
		to := &h.Mirror
		if e.isSecurity() {
			to = &h.SecurityMirror
		}
		if *to == "" {
			*to = strings.TrimRight(e.URI, "/")
		}
		if path.IsAbs(e.SignedBy) && !slices.Contains(h.Keyrings, e.SignedBy) {
			h.Keyrings = append(h.Keyrings, e.SignedBy)
		}
	}
}

// addKeyrings adds the places where Debian's archive keyring is kept.
func (h *Host) addKeyrings(root string) {
	for _, p := range []string{
		"/usr/share/keyrings/debian-archive-keyring.gpg",
		"/usr/share/keyrings/debian-archive-keyring.pgp",
		"/usr/share/keyrings/debian-archive-keyring.asc",
	} {
		if _, err := os.Stat(filepath.Join(root, p)); err == nil && !slices.Contains(h.Keyrings, p) {
			h.Keyrings = append(h.Keyrings, p)
		}
	}
	for i, p := range h.Keyrings {
		h.Keyrings[i] = filepath.Join(root, p)
	}
}

// HTTPClient makes the client that goes through h's proxies. Bodies arrive as
// the server holds them, so that ranges and hashes mean what they say.
func (h Host) HTTPClient() *http.Client {
	t := &http.Transport{
		Proxy:                 h.proxy,
		DisableCompression:    true,
		MaxIdleConnsPerHost:   16,
		TLSHandshakeTimeout:   20 * time.Second,
		ResponseHeaderTimeout: 60 * time.Second,
		IdleConnTimeout:       30 * time.Second,
	}
	return &http.Client{Transport: t}
}

func (h Host) proxy(r *http.Request) (*url.URL, error) {
	address := h.HTTPProxy
	if r.URL.Scheme == "https" {
		address = h.HTTPSProxy
	}
	if address == "" || slices.ContainsFunc(h.NoProxy, func(no string) bool { return covers(no, r.URL.Hostname()) }) {
		return nil, nil
	}
	if !strings.Contains(address, "://") {
		address = "http://" + address
	}
	u, err := url.Parse(address)
	if err != nil {
		return nil, errors.New("proxy address of the host's configuration cannot be parsed")
	}
	return u, nil
}

func covers(no, host string) bool {
	no = strings.TrimPrefix(no, ".")
	return no == "*" || no == host || strings.HasSuffix(host, "."+no)
}

// readIfThere reads a file of the host; absence is not an error.
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

// partsOf lists the files of a configuration directory that apt would read,
// in its order: plain names with one of the endings.
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
