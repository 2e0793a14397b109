// SPDX-License-Identifier: MPL-2.0

package network

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"

	"golang.org/x/sys/unix"
)

// keepLoopback keeps packets for loopback addresses inside the namespace. A socket that is
// bound to the card (SO_BINDTODEVICE, IP_UNICAST_IF, IP_PKTINFO) would send them out: it
// ignores the routes to the namespace's own loopback, and Debian 12's pasta connects such
// packets to the host's loopback.
func (c *Closed) keepLoopback() (err error) {
	inThread(func() {
		if err = join(c.NetNS); err == nil {
			err = routeLoopback()
		}
		if err != nil {
			err = fmt.Errorf("keep the loopback apart: %w", err)
		}
	})
	return err
}

// join moves this thread to a namespace.
func join(namespace string) error {
	fd, err := unix.Open(namespace, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return unix.Setns(fd, unix.CLONE_NEWNET)
}

func routeLoopback() error {
	out, err := net.InterfaceByName(card)
	if err != nil {
		return err
	}
	s, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_ROUTE)
	if err != nil {
		return err
	}
	defer unix.Close(s)
	if err := ask(s, localRoute(netip.MustParsePrefix("127.0.0.0/8"), out.Index)); err != nil {
		return err
	}
	err = ask(s, refusal(netip.MustParsePrefix("::1/128")))
	if errors.Is(err, unix.EAFNOSUPPORT) || errors.Is(err, unix.EOPNOTSUPP) {
		return nil // the kernel has no IPv6
	}
	return err
}

// From linux/rtnetlink.h and linux/fib_rules.h. Attributes that both routes and rules have
// have the same numbers.
const (
	actionProhibit = 8

	attrTo       = 1
	attrCard     = 4 // for a route
	attrPriority = 6
)

// localRoute is a message that keeps packets to an address by way of a card here, as if the
// card had that address. IPv4 ignores a prohibit route for a socket that is bound to the card.
func localRoute(to netip.Prefix, index int) []byte {
	b := message(unix.RTM_NEWROUTE, []byte{unix.AF_INET, byte(to.Bits()), 0, 0, unix.RT_TABLE_MAIN, unix.RTPROT_STATIC, unix.RT_SCOPE_HOST, unix.RTN_LOCAL, 0, 0, 0, 0})
	b = attribute(b, attrTo, to.Addr().AsSlice())
	return attribute(b, attrCard, binary.NativeEndian.AppendUint32(nil, uint32(index)))
}

// refusal is a message with a rule that refuses packets to an address that is not in the local
// table.
func refusal(to netip.Prefix) []byte {
	b := message(unix.RTM_NEWRULE, []byte{unix.AF_INET6, byte(to.Bits()), 0, 0, unix.RT_TABLE_UNSPEC, 0, 0, actionProhibit, 0, 0, 0, 0})
	b = attribute(b, attrTo, to.Addr().AsSlice())
	return attribute(b, attrPriority, binary.NativeEndian.AppendUint32(nil, 100)) // before the main table
}

// message begins a message with struct nlmsghdr, and struct rtmsg or fib_rule_hdr.
func message(kind uint16, body []byte) []byte {
	ne := binary.NativeEndian
	b := ne.AppendUint32(nil, 0) // its length, set by ask
	b = ne.AppendUint16(b, kind)
	b = ne.AppendUint16(b, unix.NLM_F_REQUEST|unix.NLM_F_ACK|unix.NLM_F_CREATE|unix.NLM_F_EXCL)
	b = append(b, make([]byte, 8)...) // number, port
	return append(b, body...)
}

// attribute appends an attribute whose length is a multiple of four.
func attribute(b []byte, kind uint16, value []byte) []byte {
	b = binary.NativeEndian.AppendUint16(b, uint16(4+len(value)))
	return append(binary.NativeEndian.AppendUint16(b, kind), value...)
}

// ask sends a message and waits for the kernel's answer.
func ask(s int, b []byte) error {
	binary.NativeEndian.PutUint32(b, uint32(len(b)))
	if err := unix.Sendto(s, b, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return err
	}
	var buf [4096]byte
	n, _, err := unix.Recvfrom(s, buf[:], 0)
	if err != nil {
		return err
	}
	if n < unix.NLMSG_HDRLEN+4 || binary.NativeEndian.Uint16(buf[4:]) != unix.NLMSG_ERROR {
		return fmt.Errorf("the kernel answers with %x", buf[:n])
	}
	if code := int32(binary.NativeEndian.Uint32(buf[unix.NLMSG_HDRLEN:])); code != 0 {
		return unix.Errno(-code)
	}
	return nil
}
