// SPDX-License-Identifier: MPL-2.0

package git

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/url"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/carosio/carosbuild/pkg/lazyregexp"
)

// transports are those that do what their name says and start no other program.
var transports = []string{"https", "http", "ssh", "git", "file"}

var (
	scheme  = lazyregexp.New(`^[A-Za-z][A-Za-z0-9+.-]*://`)
	helper  = lazyregexp.New(`^([A-Za-z0-9][A-Za-z0-9+.-]*)::`)
	scpLike = lazyregexp.New(`^([A-Za-z0-9_.][A-Za-z0-9_.-]*@)?(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9_.][A-Za-z0-9_.-]*):[^:]`)
)

// address splits user and password off a web address. It refuses addresses that git
// must not be given: allowed are SCHEME://..., [USER@]HOST:PATH in the form of ssh,
// and an absolute path.
func (c *Cache) address(raw string) (string, *url.Userinfo, error) {
	shown := redact(raw)
	if strings.ContainsFunc(raw, func(r rune) bool { return r < ' ' || r == 0x7f || r == '\uFFFD' }) {
		return "", nil, fmt.Errorf("git address %q has control characters in it", shown)
	}
	if len(raw) > 4096 {
		return "", nil, fmt.Errorf("git address of %d characters", len(raw))
	}
	if m := helper().FindStringSubmatch(raw); m != nil {
		if slices.Contains(c.Allow, m[1]) {
			return raw, nil, nil
		}
		return "", nil, fmt.Errorf("git address %q: transport %q starts programs and is not allowed", shown, m[1])
	}
	if filepath.IsAbs(raw) {
		return filepath.Clean(raw), nil, nil
	}
	if strings.ContainsRune(raw, ' ') {
		return "", nil, fmt.Errorf("git address %q has blanks in it", shown)
	}
	if m := scheme().FindString(raw); m != "" {
		return c.webAddress(raw, strings.TrimSuffix(m, "://"))
	}
	if !scpLike().MatchString(raw) {
		return "", nil, fmt.Errorf("git address %q is not a URL, HOST:PATH or an absolute path", shown)
	}
	return raw, nil, nil
}

func (c *Cache) webAddress(raw, scheme string) (string, *url.Userinfo, error) {
	if !slices.Contains(transports, scheme) && !slices.Contains(c.Allow, scheme) {
		return "", nil, fmt.Errorf("git address %q: transport %q is not allowed (allowed: %s)", redact(raw), scheme, strings.Join(slices.Concat(transports, c.Allow), ", "))
	}
	u, err := url.Parse(raw)
	if err != nil { // the parser's error may contain the password
		return "", nil, fmt.Errorf("git address %q cannot be parsed", redact(raw))
	}
	name, _ := url.PathUnescape(u.Host)
	if strings.HasPrefix(name, "-") || strings.HasPrefix(u.User.Username(), "-") || u.Host == "" && scheme != "file" {
		return "", nil, fmt.Errorf("git address %q: %q is not the name of a host", redact(raw), name)
	}
	secret := u.User
	switch {
	case secret == nil:
		return raw, nil, nil
	case scheme == "http" || scheme == "https":
		u.User = nil
		return u.String(), secret, nil
	}
	u.User = url.User(secret.Username())
	return u.String(), nil, nil
}

// known is address, with the user that an earlier call has learned.
func (c *Cache) known(raw string) (string, *url.Userinfo, error) {
	address, secret, err := c.address(raw)
	if err != nil {
		return "", nil, err
	}
	if secret != nil {
		c.secrets.Store(address, secret)
	} else if s, ok := c.secrets.Load(address); ok {
		secret = s.(*url.Userinfo)
	}
	return address, secret, nil
}

var (
	webUser  = lazyregexp.New(`(?i)\b(https?://)[^/\s]*@`)
	password = lazyregexp.New(`(?i)\b([a-z][a-z0-9+.-]*://[^/\s:@]*):[^/\s]*@`)
)

// redact removes users of web addresses, which may be tokens, and passwords from a
// text.
func redact(s string) string {
	return password().ReplaceAllString(webUser().ReplaceAllString(s, "$1"), "$1@")
}

// mirrorName is the name of the files for an address in the cache.
func mirrorName(address string) string {
	base := strings.TrimSuffix(path.Base(strings.TrimRight(address, "/")), ".git")
	base = strings.Map(func(r rune) rune {
		if r < 0x80 && (r == '-' || r == '_' || r >= '0' && r <= '9' || r >= 'A' && r <= 'Z' || r >= 'a' && r <= 'z') {
			return r
		}
		return '_'
	}, base)
	sum := sha256.Sum256([]byte(address))
	return strings.TrimLeft(base[:min(len(base), 40)], "-") + "-" + hex.EncodeToString(sum[:10])
}
