// SPDX-License-Identifier: MPL-2.0

package debian

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
)

// login is the user and password for a part of a server. It is kept apart from
// addresses, which appear in reports, pins, images and messages.
type login struct {
	scheme, host, path string // host as in a URL, with its port; path is a prefix
	user               *url.Userinfo
}

// splitLogin removes user and password from an address. The address is split rather
// than parsed, because it may contain {snapshot}.
func splitLogin(address string) (string, []login) {
	scheme, rest, ok := strings.Cut(address, "://")
	if !ok {
		return address, nil
	}
	end := strings.IndexByte(rest, '/')
	if end < 0 {
		end = len(rest)
	}
	at := strings.LastIndexByte(rest[:end], '@')
	if at < 0 {
		return address, nil
	}
	bare := scheme + "://" + rest[at+1:]
	name, password, _ := strings.Cut(rest[:at], ":")
	l := login{scheme: strings.ToLower(scheme), host: strings.ToLower(rest[at+1 : end]), user: url.UserPassword(unescape(name), unescape(password))}
	l.path, _, _ = strings.Cut(rest[end:], snapshotMark)
	return bare, []login{l}
}

// withoutLogin is an address for a message, even if it is malformed.
func withoutLogin(address string) string {
	if i := strings.LastIndexByte(address, '@'); i >= 0 {
		return "..." + address[i:]
	}
	return address
}

func unescape(s string) string {
	if u, err := url.PathUnescape(s); err == nil {
		return u
	}
	return s
}

// covers reports whether the login is for u.
func (l login) covers(u *url.URL) bool {
	return l.scheme == u.Scheme && l.host == strings.ToLower(u.Host) && below(u.Path, l.path)
}

// below reports whether a path is dir or inside it. A path with .. counts as
// outside.
func below(path, dir string) bool {
	for name := range strings.SplitSeq(path, "/") {
		if name == "." || name == ".." {
			return false
		}
	}
	dir = strings.TrimRight(dir, "/")
	return path == dir || strings.HasPrefix(path, dir+"/")
}

// loginTransport sends user and password to the servers that they belong to.
type loginTransport struct {
	http.RoundTripper
	logins []login
}

func (t loginTransport) RoundTrip(q *http.Request) (*http.Response, error) {
	for _, l := range t.logins {
		if q.URL.User == nil && l.covers(q.URL) {
			q = q.Clone(q.Context())
			password, _ := l.user.Password()
			q.SetBasicAuth(l.user.Username(), password)
			break
		}
	}
	return t.RoundTripper.RoundTrip(q)
}

// readAuth reads the logins of apt_auth.conf(5), as far as its files are readable.
// An entry without a scheme is only for https.
func readAuth(root string) ([]login, error) {
	names, err := partsOf(filepath.Join(root, "etc/apt/auth.conf.d"), "", ".conf")
	if err != nil {
		return nil, err
	}
	var all []login
	for _, name := range append([]string{filepath.Join(root, "etc/apt/auth.conf")}, names...) {
		text, err := readIfThere(name)
		if err != nil {
			return nil, err
		}
		found, err := parseAuth(text)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		all = append(all, found...)
	}
	return all, nil
}

// parseAuth parses any number of "machine [SCHEME://]HOST[:PORT][/PATH] login NAME
// password WORD".
func parseAuth(text string) ([]login, error) {
	var words []string
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); !strings.HasPrefix(line, "#") {
			words = append(words, strings.Fields(line)...)
		}
	}
	var all []login
	for i := 0; i < len(words); i += 2 {
		if i+1 == len(words) {
			return nil, errors.New("a word is missing at the end")
		}
		key, value := words[i], words[i+1]
		switch {
		case key == "machine":
			scheme, rest, ok := strings.Cut(value, "://")
			if !ok {
				scheme, rest = "https", value
			}
			host, path, _ := strings.Cut(rest, "/")
			all = append(all, login{scheme, strings.ToLower(host), "/" + path, url.User("")})
		case len(all) == 0 || (key != "login" && key != "password"):
			return nil, errors.New("want machine, login and password") // the words may be secret
		case key == "login":
			password, _ := all[len(all)-1].user.Password()
			all[len(all)-1].user = url.UserPassword(value, password)
		case key == "password":
			all[len(all)-1].user = url.UserPassword(all[len(all)-1].user.Username(), value)
		}
	}
	return all, nil
}

// proxyURL parses the address of a proxy; without a scheme it is http.
func proxyURL(address string) (*url.URL, error) {
	if !strings.Contains(address, "://") {
		address = "http://" + address
	}
	u, err := url.Parse(address)
	if err != nil || u.Host == "" {
		return nil, errors.New("proxy address of the host's configuration cannot be parsed") // it may hold a password
	}
	return u, nil
}

// hasLogin reports whether the address of a proxy may contain a user or password.
func hasLogin(proxy string) bool {
	return strings.Contains(proxy, "@")
}
