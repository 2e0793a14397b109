// SPDX-License-Identifier: MPL-2.0

package network

import (
	"bytes"
	"context"
	"encoding/hex"
	"fmt"
	"net"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/carosio/carosbuild/pkg/userns"
	"github.com/carosio/carosbuild/pkg/userns/usernstest"
)

// bound DIR TCP UDP: tries to reach ports of the host's loopback from a network, with sockets
// that are bound to its card.
func bound(args []string) int {
	err := userns.MountScratch(args[0])
	var c *Closed
	if err == nil {
		c, err = Open(context.Background(), Setting{Dir: args[0], Runtime: filepath.Join(args[0], "none")})
	}
	if err != nil {
		fmt.Println(err)
		return 1
	}
	defer c.Close()
	inThread(func() {
		out := &net.Interface{}
		if err = join(c.NetNS); err == nil {
			out, err = net.InterfaceByName(card)
		}
		if err != nil {
			return
		}
		index := int(uint32(out.Index) << 24) // in network byte order
		for name, bind := range map[string]func(s int) error{
			"device":          func(s int) error { return unix.BindToDevice(s, card) },
			"IP_UNICAST_IF":   func(s int) error { return unix.SetsockoptInt(s, unix.IPPROTO_IP, 50, index) },
			"IPV6_UNICAST_IF": func(s int) error { return unix.SetsockoptInt(s, unix.IPPROTO_IPV6, 76, index) },
		} {
			for _, to := range []netip.AddrPort{netip.MustParseAddrPort(args[1]), netip.MustParseAddrPort(args[2])} {
				kind := map[string]int{args[1]: unix.SOCK_STREAM, args[2]: unix.SOCK_DGRAM}[to.String()]
				if name != "IPV6_UNICAST_IF" {
					try(bind, kind, &unix.SockaddrInet4{Port: int(to.Port()), Addr: to.Addr().As4()}, name)
				}
				if name != "IP_UNICAST_IF" {
					try(bind, kind, &unix.SockaddrInet6{Port: int(to.Port()), Addr: netip.IPv6Loopback().As16()}, name+" of IPv6")
				}
			}
		}
	})
	if err != nil {
		fmt.Println(err)
		return 1
	}
	time.Sleep(300 * time.Millisecond)
	return 0
}

// try connects or sends text. The other side sees whether it arrives.
func try(bind func(s int) error, kind int, to unix.Sockaddr, text string) {
	family := unix.AF_INET
	if _, six := to.(*unix.SockaddrInet6); six {
		family = unix.AF_INET6
	}
	s, err := unix.Socket(family, kind|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return // no IPv6
	}
	defer unix.Close(s)
	if err := bind(s); err != nil {
		fmt.Println(text, err)
	}
	if kind == unix.SOCK_DGRAM {
		_ = unix.Sendto(s, []byte(text), 0, to)
		return
	}
	_ = unix.Connect(s, to)
	time.Sleep(100 * time.Millisecond)
}

// arrivals records what arrives at two ports of the loopback.
func arrivals(t *testing.T) (tcp, udp string, arrived func() []string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	u, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	all := make(chan string, 100)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			all <- "a connection"
			c.Close()
		}
	}()
	go func() {
		b := make([]byte, 100)
		for {
			n, _, err := u.ReadFrom(b)
			if err != nil {
				return
			}
			all <- string(b[:n])
		}
	}()
	return l.Addr().String(), u.LocalAddr().String(), func() (out []string) {
		l.Close()
		u.Close()
		for {
			select {
			case a := <-all:
				out = append(out, a)
			default:
				return out
			}
		}
	}
}

// A socket that is bound to the network's card cannot reach the host's loopback, either.
func TestClosedBound(t *testing.T) {
	_, refused := look()
	for how, name := range map[userns.How]string{userns.Ranges: "ranges", userns.OneID: "one id"} {
		t.Run(name, func(t *testing.T) {
			tcp, udp, arrived := arrivals(t)
			out, status := usernstest.EnterAs(t, how, "bound", filepath.Join(t.TempDir(), "scratch"), tcp, udp)
			if refused != nil && status != 0 {
				t.Skip(out)
			}
			if got := arrived(); len(got) > 0 || out != "" || status != 0 {
				t.Errorf("status %d, %s; %q arrived", status, out, got)
			}
		})
	}
}

// The messages are those of "ip route add local 127.0.0.0/8 dev eth0 table main protocol
// static", where eth0 is the second interface, and of "ip -6 rule add to ::1/128 priority 100
// prohibit", on a little-endian machine.
func TestMessages(t *testing.T) {
	for _, tt := range []struct {
		got  []byte
		want string
	}{
		{localRoute(netip.MustParsePrefix("127.0.0.0/8"), 2), "2c00000018000506" + strings.Repeat("0", 16) + "02080000fe04fe0200000000" + "080001007f000000" + "0800040002000000"},
		{refusal(netip.MustParsePrefix("::1/128")), "3800000020000506" + strings.Repeat("0", 16) + "0a8000000000000800000000" + "14000100" + strings.Repeat("0", 30) + "01" + "0800060064000000"},
	} {
		if want, err := hex.DecodeString(tt.want); err != nil || !bytes.Equal(tt.got, want) {
			t.Errorf("got\n%x, want\n%s, %v", tt.got, tt.want, err)
		}
	}
}
