// SPDX-License-Identifier: MPL-2.0

package network

import (
	"strconv"
	"strings"
)

// Addresses of a namespace. They are not the host's own, which pasta would take otherwise,
// and with which what listens there could not be reached. forwarder answers for the host's
// resolver.
const (
	card      = "eth0"
	address   = "10.0.2.15"
	netmask   = "24"
	gateway   = "10.0.2.2"
	forwarder = "10.0.2.3"
)

// pasta says how pasta is to be run.
type pasta struct {
	namespace string   // file of the network namespace
	pidFile   string   // is written when all is set up
	ports     []uint16 // of the host's loopback that are those of the namespace's, too
	forward   bool     // the resolver
}

// arguments are those of pasta 2023-03-09 (Debian 12) and later. -t, -u, -T and -U are the
// ports that lead in and out, which would be all; --no-map-gw keeps the gateway from being
// the host's loopback. The program is the superuser of its user namespace, and would take
// another uid where that namespace has all ids.
func (p pasta) arguments() []string {
	out := make([]string, len(p.ports))
	for i, n := range p.ports {
		out[i] = strconv.Itoa(int(n))
	}
	open := strings.Join(out, ",")
	if open == "" {
		open = "none"
	}
	args := []string{
		"--foreground", "--quiet", "--config-net", "--ns-ifname", card, "-a", address, "-n", netmask, "-g", gateway,
		"-t", "none", "-u", "none", "-T", open, "-U", "none", "--no-map-gw", "--runas", "0", "--pid", p.pidFile,
	}
	if p.forward {
		args = append(args, "--dns-forward", forwarder)
	}
	return append(args, "--netns", p.namespace)
}

// reason is what pasta has said last, without what it says of its log.
func reason(output string) string {
	last := ""
	for line := range strings.Lines(output) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "Failed to send") && !strings.HasPrefix(line, "Couldn't get any nameserver") {
			last = line
		}
	}
	return last
}
