// SPDX-License-Identifier: MPL-2.0

package network

import (
	"errors"
	"net/netip"
	"strings"
)

// errResolver says that the host's resolver has an address that leads somewhere else, or
// nowhere, in a namespace.
var errResolver = errors.New("the resolver of /etc/resolv.conf is reached on this host only: its address is of the loopback of IPv6, or has an interface in it")

// resolverOf is /etc/resolv.conf of a namespace, where that of the host is given. Forward
// says that it names forwarder, behind which is the first resolver of the host. Then no other
// one is left, because pasta gives all answers of that one forwarder's address.
func resolverOf(conf []byte) (out []byte, forward bool, err error) {
	var kept, servers []string
	unusable := false
	for line := range strings.Lines(string(conf)) {
		f := strings.Fields(line)
		if len(f) < 2 || f[0] != "nameserver" {
			kept = append(kept, line)
			continue
		}
		switch a, err := netip.ParseAddr(f[1]); {
		case err != nil || a.Unmap().Is4() && !a.Unmap().IsLoopback() || a.Is6() && a.Zone() == "" && !a.IsLoopback():
			servers = append(servers, line)
		case a.Unmap().Is4():
			forward = true
		default:
			unusable = true
		}
	}
	switch {
	case forward:
		servers = []string{"nameserver " + forwarder + "\n"}
	case !unusable:
		return conf, false, nil
	case len(servers) == 0:
		return nil, false, errResolver
	}
	return []byte(strings.Join(append(servers, kept...), "")), forward, nil
}
