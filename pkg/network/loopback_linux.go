// SPDX-License-Identifier: MPL-2.0

package network

import (
	"errors"
	"fmt"
	"net"
	"net/netip"

	"golang.org/x/sys/unix"

	"github.com/carosio/carosbuild/pkg/rtnetlink"
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
	s, err := rtnetlink.Open()
	if err != nil {
		return err
	}
	defer s.Close()
	if err := s.Send(localRoute(netip.MustParsePrefix("127.0.0.0/8"), out.Index)); err != nil {
		return err
	}
	err = s.Send(refusal(netip.MustParsePrefix("::1/128")))
	if errors.Is(err, unix.EAFNOSUPPORT) || errors.Is(err, unix.EOPNOTSUPP) {
		return nil // the kernel has no IPv6
	}
	return err
}

// localRoute is a message that has what is for an address, by way of a card, stay here: it is
// as if the card had that address. Of IPv4, a route that refuses is not heeded for a socket
// that is bound to the card.
func localRoute(to netip.Prefix, index int) rtnetlink.Message {
	return rtnetlink.NewMessage(unix.RTM_NEWROUTE, []byte{unix.AF_INET, byte(to.Bits()), 0, 0, unix.RT_TABLE_MAIN, unix.RTPROT_STATIC, unix.RT_SCOPE_HOST, unix.RTN_LOCAL, 0, 0, 0, 0}).
		With(rtnetlink.AttrDestination, to.Addr().AsSlice()).
		WithUint32(rtnetlink.AttrOutput, uint32(index))
}

// refusal is a message that has a rule refuse what is for an address and was not found in
// the local table.
func refusal(to netip.Prefix) rtnetlink.Message {
	return rtnetlink.NewMessage(unix.RTM_NEWRULE, []byte{unix.AF_INET6, byte(to.Bits()), 0, 0, unix.RT_TABLE_UNSPEC, 0, 0, rtnetlink.ActionProhibit, 0, 0, 0, 0}).
		With(rtnetlink.AttrDestination, to.Addr().AsSlice()).
		WithUint32(rtnetlink.AttrPriority, 100) // before the main table
}
