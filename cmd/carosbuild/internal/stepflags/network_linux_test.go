// SPDX-License-Identifier: MPL-2.0

package stepflags

import (
	"strings"
	"testing"

	"github.com/carosio/carosbuild/cmd/carosbuild/internal/cli"
	"github.com/carosio/carosbuild/pkg/rung"
	"github.com/carosio/carosbuild/pkg/sandbox"
	"github.com/carosio/carosbuild/pkg/source/debian"
)

// In place of a proxy with a password, steps have the build's own by the address that they
// reach it by.
func TestProxyThatStepsReach(t *testing.T) {
	const proxy = "http://user:secret@proxy.example:3128"
	a := &cli.App{Getenv: func(name string) string { return map[string]string{"http_proxy": proxy}[name] }}
	for name, room := range map[string]*rung.Room{
		"@127.0.0.1:": {Joins: true},
		"@10.0.2.2:": {WayOut: true, Reach: func(address string) string {
			return strings.Replace(address, "127.0.0.1", "10.0.2.2", 1)
		}},
	} {
		n, err := OpenNetwork(t.Context(), a, room, debian.Host{HTTPProxy: proxy}, sandbox.AutoNetwork, nil, func(text string) { t.Error(text) })
		if err != nil {
			t.Fatal(err)
		}
		if got := n.Proxies["http_proxy"]; !strings.Contains(got, name) || strings.Contains(got, "user:secret") {
			t.Errorf("the proxy of steps is %q, want one at %q", got, name)
		}
		if err := n.Close(); err != nil {
			t.Error(err)
		}
	}
}
