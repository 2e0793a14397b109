// SPDX-License-Identifier: MPL-2.0

package debian

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Steps get the proxies of the environment. A proxy with a password is replaced by its
// relay, if there is one.
func TestStepProxies(t *testing.T) {
	const secret, relay = "http://u:s3cr3t@p:1", "http://carosbuild:word@127.0.0.1:2"
	both := func(all ...string) map[string]string {
		m := map[string]string{}
		for _, kv := range all {
			name, value, _ := strings.Cut(kv, "=")
			m[name], m[strings.ToUpper(name)] = value, value
		}
		return m
	}
	for _, tt := range []struct {
		name     string
		env      map[string]string
		host     Host
		relay    string
		want     map[string]string
		withheld []string
	}{
		{"none", map[string]string{"no_proxy": "a", "HTTP_PROXY": "http://header:1"}, Host{}, relay, both(), nil},
		{"plain", map[string]string{"http_proxy": "http://p:1", "HTTPS_PROXY": "p:2", "NO_PROXY": "a,.b"}, Host{}, relay, both("http_proxy=http://p:1", "https_proxy=p:2", "no_proxy=a,.b"), nil},
		{"relayed", map[string]string{"http_proxy": secret, "https_proxy": secret}, Host{HTTPProxy: secret, HTTPSProxy: secret}, relay, both("http_proxy="+relay, "https_proxy="+relay), nil},
		{"no relay", map[string]string{"http_proxy": secret}, Host{HTTPProxy: secret}, "", both(), []string{"http_proxy"}},
		{"the relay is for another one", map[string]string{"http_proxy": secret, "https_proxy": "p:2"}, Host{HTTPProxy: "http://u:other@q:1"}, relay, both("https_proxy=p:2"), []string{"http_proxy"}},
		{"cannot be relayed", map[string]string{"https_proxy": "socks5://u:s3cr3t@p:1"}, Host{HTTPSProxy: "socks5://u:s3cr3t@p:1"}, relay, both(), []string{"https_proxy"}},
	} {
		got, withheld := tt.host.StepProxies(func(name string) string { return tt.env[name] }, tt.relay)
		if diff := cmp.Diff(got, tt.want); diff != "" || !slices.Equal(withheld, tt.withheld) {
			t.Errorf("%s: withheld %q (-got +want):\n%s", tt.name, withheld, diff)
		}
		for _, v := range got {
			if strings.Contains(v, "s3cr3t") {
				t.Errorf("%s: a step reads the password in %q", tt.name, v)
			}
		}
	}
}

// Steps do not connect to proxies with a password directly.
func TestServers(t *testing.T) {
	h := Host{HTTPProxy: "http://u:p@localhost:1", HTTPSProxy: "http://localhost:2", Mirror: "http://m/debian", UbuntuSecurityMirror: "http://u/ubuntu"}
	if diff := cmp.Diff(h.Servers(), []string{"http://localhost:2", "http://m/debian", "http://u/ubuntu"}); diff != "" {
		t.Errorf("-got +want:\n%s", diff)
	}
}
