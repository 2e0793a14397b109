// SPDX-License-Identifier: MPL-2.0

package network

import (
	"errors"
	"net/netip"
	"strings"
)

// errResolver says that the address of the host's resolver leads somewhere else, or nowhere,
// in a namespace.
var errResolver = errors.New("the resolver in /etc/resolv.conf can only be reached on this host: its address is on the IPv6 loopback, or names an interface")

// resolverOf returns /etc/resolv.conf for a namespace, given the host's. Forward says that it
// names forwarder, which stands for the first resolver of the host. Then it names no other,
// because pasta gives forwarder's address to all answers of that resolver.
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
