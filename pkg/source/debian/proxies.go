// SPDX-License-Identifier: MPL-2.0

package debian

import (
	"cmp"
	"slices"
	"strings"
)

// StepProxies are the host's proxy variables for programs in steps. A proxy with a password
// is replaced by relay's address, if relay is for this proxy. Withheld are the names of the
// variables that steps do not get, because they could read the password.
func (h Host) StepProxies(env func(string) string, relay string) (variables map[string]string, withheld []string) {
	variables = map[string]string{}
	set := func(name, value string) {
		variables[name], variables[strings.ToUpper(name)] = value, value
	}
	for _, p := range []struct {
		name, value string
		apt         string // the same proxy in apt's configuration, which relay is for
	}{
		{"http_proxy", env("http_proxy"), h.HTTPProxy}, // in CGI programs, HTTP_PROXY may come from a header
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

// Servers are the addresses of the proxies and mirrors that apt in steps uses directly.
// Those with a password are not among them, because a Relay is used for them.
func (h Host) Servers() []string {
	return slices.DeleteFunc([]string{h.HTTPProxy, h.HTTPSProxy, h.Mirror, h.SecurityMirror, h.UbuntuMirror, h.UbuntuSecurityMirror}, func(s string) bool {
		return s == "" || hasLogin(s)
	})
}
