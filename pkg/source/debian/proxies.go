// SPDX-License-Identifier: MPL-2.0

package debian

import (
	"cmp"
	"slices"
	"strings"
)

// StepProxies are the variables of the host's proxies for programs in steps. Of a proxy with
// a password, it is relay's address, which may be "", where relay is one for this proxy.
// Withheld are the names of those that steps go without, because they could read the
// password.
func (h Host) StepProxies(env func(string) string, relay string) (variables map[string]string, withheld []string) {
	variables = map[string]string{}
	set := func(name, value string) {
		variables[name], variables[strings.ToUpper(name)] = value, value
	}
	for _, p := range []struct {
		name, value string
		apt         string // the same proxy as apt has it, which relay is for
	}{
		{"http_proxy", env("http_proxy"), h.HTTPProxy}, // HTTP_PROXY may be a header of a request
		{"https_proxy", cmp.Or(env("https_proxy"), env("HTTPS_PROXY")), h.HTTPSProxy},
	} {
		switch {
		case p.value == "":
		case !hasLogin(p.value):
			set(p.name, p.value)
		case relay != "" && p.value == p.apt && relayed(p.value):
			set(p.name, relay)
		default:
			withheld = append(withheld, p.name)
		}
	}
	if no := cmp.Or(env("no_proxy"), env("NO_PROXY")); no != "" && len(variables) > 0 {
		set("no_proxy", no)
	}
	return variables, withheld
}

// Servers are the addresses of the proxies and mirrors that apt in steps uses itself: not of
// proxies with a password, for which it has a Relay.
func (h Host) Servers() []string {
	return slices.DeleteFunc([]string{h.HTTPProxy, h.HTTPSProxy, h.Mirror, h.SecurityMirror, h.UbuntuMirror, h.UbuntuSecurityMirror}, func(s string) bool {
		return s == "" || hasLogin(s)
	})
}
