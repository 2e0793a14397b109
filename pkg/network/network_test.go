// SPDX-License-Identifier: MPL-2.0

package network

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestLoopbackPorts(t *testing.T) {
	for _, tt := range []struct {
		servers []string
		want    []uint16
		bad     bool
	}{
		{nil, nil, false},
		{[]string{"", "http://proxy.example:3128", "https://192.0.2.1/debian", "file:///srv/mirror"}, nil, false},
		{[]string{"http://127.0.0.1:3128", "localhost:3142", "http://[::1]:8080/debian", "http://u:p@Localhost.:3128/"}, []uint16{3128, 3142, 8080}, false},
		{[]string{"http://localhost/debian", "https://a.localhost/", "socks5h://127.0.0.1"}, []uint16{80, 443, 1080}, false},
		{[]string{"http://127.0.0.2:1"}, nil, true},
		{[]string{"http://[::ffff:127.0.0.1]:1"}, nil, true},
		{[]string{"gopher://127.0.0.1"}, nil, true},
		{[]string{"http://localhost.example:1", "http://127.0.0.1:nonsense", "://", "http://127.0.0.1:99999"}, nil, false},
	} {
		got, err := loopbackPorts(tt.servers)
		if diff := cmp.Diff(got, tt.want); diff != "" || (err != nil) != tt.bad {
			t.Errorf("%q: %v (-got +want):\n%s", tt.servers, err, diff)
		}
		if err != nil && strings.Contains(err.Error(), "@") {
			t.Errorf("%q: a password may be in %q", tt.servers, err)
		}
	}
	if _, err := loopbackPorts([]string{"http://u:secret@127.0.0.2:1"}); strings.Contains(err.Error(), "secret") {
		t.Error(err)
	}
}

func TestResolverOf(t *testing.T) {
	for _, tt := range []struct {
		name, conf, want string
		forward, bad     bool
	}{
		{"none", "", "", false, false},
		{"others", "search a b\nnameserver 192.0.2.1\nnameserver fd00::1\noptions edns0\n", "search a b\nnameserver 192.0.2.1\nnameserver fd00::1\noptions edns0\n", false, false},
		{"a stub", "# of systemd\nnameserver 127.0.0.53\noptions edns0 trust-ad\nsearch a\n", "nameserver 10.0.2.3\n# of systemd\noptions edns0 trust-ad\nsearch a\n", true, false},
		{"a stub after another", "nameserver 192.0.2.1\nnameserver 127.0.0.1", "nameserver 10.0.2.3\n", true, false},
		{"a stub of IPv6 beside another", "nameserver ::1\nnameserver 192.0.2.1\n", "nameserver 192.0.2.1\n", false, false},
		{"a stub of IPv6 beside a stub", "nameserver ::1\nnameserver 127.0.0.1\n", "nameserver 10.0.2.3\n", true, false},
		{"a stub of IPv6", "nameserver ::1\n", "", false, true},
		{"of an interface", "nameserver fe80::1%eth0\n", "", false, true},
		{"not an address", "nameserver x\nnameserver\n", "nameserver x\nnameserver\n", false, false},
	} {
		got, forward, err := resolverOf([]byte(tt.conf))
		if string(got) != tt.want || forward != tt.forward || (err != nil) != tt.bad {
			t.Errorf("%s: %q, %v, %v; want %q, %v", tt.name, got, forward, err, tt.want, tt.forward)
		}
	}
}

// Only the named ports lead to the host's loopback.
func TestArguments(t *testing.T) {
	for _, tt := range []struct {
		p    pasta
		open string
		more []string
	}{
		{pasta{namespace: "/n", pidFile: "/p"}, "none", nil},
		{pasta{namespace: "/n", pidFile: "/p", ports: []uint16{80, 3128}, forward: true}, "80,3128", []string{"--dns-forward", "10.0.2.3"}},
	} {
		want := []string{
			"--foreground", "--quiet", "--config-net", "--ns-ifname", "eth0", "-a", "10.0.2.15", "-n", "24", "-g", "10.0.2.2",
			"-t", "none", "-u", "none", "-T", tt.open, "-U", "none", "--no-map-gw", "--runas", "0", "--pid", "/p",
		}
		want = append(append(want, tt.more...), "--netns", "/n")
		if diff := cmp.Diff(tt.p.arguments(), want); diff != "" {
			t.Errorf("-got +want:\n%s", diff)
		}
	}
}

func TestReason(t *testing.T) {
	for output, want := range map[string]string{
		"":                          "",
		"No routable interface\n\n": "No routable interface",
		"Failed to send 9 bytes to syslog\nCouldn't get any nameserver address\nfirst\nFailed to open tun\nFailed to send 9 bytes to syslog\n": "Failed to open tun",
	} {
		if got := reason(output); got != want {
			t.Errorf("%q: %q, want %q", output, got, want)
		}
	}
}
