// SPDX-License-Identifier: MPL-2.0

package network

import (
	"strconv"
	"strings"
)

// Addresses in a namespace. They are not the host's own, which pasta would use by default:
// then servers on these addresses could not be reached. forwarder answers for the host's
// resolver.
const (
	card      = "eth0"
	address   = "10.0.2.15"
	netmask   = "24"
	gateway   = "10.0.2.2"
	forwarder = "10.0.2.3"
)

// pasta describes a run of pasta.
type pasta struct {
	namespace string   // file of the network namespace
	pidFile   string   // written once everything is set up
	ports     []uint16 // ports of the host's loopback that are forwarded to the namespace's
	forward   bool     // forwards DNS to the host's resolver
}

// arguments are the arguments of pasta 2023-03-09 (Debian 12) and later. -t, -u, -T and -U are
// the ports forwarded in and out, by default all; --no-map-gw keeps the gateway from being the
// host's loopback. pasta is the superuser of its user namespace; without --runas it would
// change its uid if that namespace has all ids.
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

// reason is the last line that pasta printed, except for those about its log.
func reason(output string) string {
	last := ""
	for line := range strings.Lines(output) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "Failed to send") && !strings.HasPrefix(line, "Couldn't get any nameserver") {
			last = line
		}
	}
	return last
}
