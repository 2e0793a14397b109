// SPDX-License-Identifier: MPL-2.0

package network

import (
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// defaultPorts are the ports of addresses that do not name one.
var defaultPorts = map[string]uint16{"http": 80, "https": 443, "ftp": 21, "socks": 1080, "socks4": 1080, "socks4a": 1080, "socks5": 1080, "socks5h": 1080}

// loopbackPorts are the ports on the host's loopback of servers that steps have to reach:
// proxies and mirrors, with addresses as in http_proxy. An error says that one of them cannot
// be reached through a port.
func loopbackPorts(servers []string) ([]uint16, error) {
	var ports []uint16
	for _, s := range servers {
		if s == "" {
			continue
		}
		if !strings.Contains(s, "://") {
			s = "http://" + s
		}
		u, err := url.Parse(s)
		if err != nil || u.Scheme == "file" || !isLoopback(u.Hostname()) {
			continue // its user reports what is wrong with it
		}
		port := defaultPorts[u.Scheme]
		if p := u.Port(); p != "" {
			n, err := strconv.ParseUint(p, 10, 16)
			if err != nil {
				continue
			}
			port = uint16(n)
		}
		if a, err := netip.ParseAddr(u.Hostname()); port == 0 || err == nil && a != netip.AddrFrom4([4]byte{127, 0, 0, 1}) && a != netip.IPv6Loopback() {
			return nil, fmt.Errorf("the proxy or mirror %s would not be reached: it is on this host's loopback, where steps reach only 127.0.0.1 and ::1", u.Host)
		}
		ports = append(ports, port)
	}
	slices.Sort(ports)
	return slices.Compact(ports), nil
}

// isLoopback reports whether the name of a server means this host itself, without looking it
// up.
func isLoopback(name string) bool {
	name = strings.ToLower(strings.TrimSuffix(name, "."))
	if name == "localhost" || strings.HasSuffix(name, ".localhost") {
		return true
	}
	a, err := netip.ParseAddr(name)
	return err == nil && a.Unmap().IsLoopback()
}
