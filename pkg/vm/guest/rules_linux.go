// SPDX-License-Identifier: MPL-2.0

package guest

import (
	"encoding/binary"
	"fmt"

	"golang.org/x/sys/unix"
)

// closedTable is the routing table for packets that must not leave the machine. It routes
// them to the machine itself: IPv4 ignores an unreachable route for a socket that is bound to
// the card.
const closedTable = 100

// refuse closes QEMU's network except for DNS queries to the resolver and TCP to one port of
// the gateway, 0 for none. It closes loopback addresses, too, which QEMU would map to the
// host's. Rules come before the main table.
func refuse(card int, forward uint16) error {
	s, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_ROUTE)
	if err != nil {
		return err
	}
	defer unix.Close(s)
	closed := []block{{[4]byte{10, 0, 2, 0}, 24}, {[4]byte{127, 0, 0, 0}, 8}}
	for _, b := range closed {
		if err := ask(s, b.kept(card)); err != nil {
			return fmt.Errorf("route for %v: %w", b.first, err)
		}
	}
	rules := []rule{{to: host(resolver), proto: unix.IPPROTO_UDP, port: 53}, {to: host(resolver), proto: unix.IPPROTO_TCP, port: 53}}
	if forward != 0 {
		rules = append(rules, rule{to: host(gateway), proto: unix.IPPROTO_TCP, port: forward})
	}
	for _, b := range closed {
		rules = append(rules, rule{to: b})
	}
	for i, r := range rules {
		r.priority = uint32(100 + i)
		if err := ask(s, r.message()); err != nil {
			return fmt.Errorf("routing rule for %v: %w", r.to.first, err)
		}
	}
	return nil
}

// block is the addresses with the same first bits.
type block struct {
	first [4]byte
	bits  uint8
}

func host(ip [4]byte) block { return block{ip, 32} }

// rule is a routing rule: packets to one port of an address use the main table, packets to
// all ports use closedTable.
type rule struct {
	to       block
	proto    uint8
	port     uint16 // 0: all
	priority uint32
}

// From linux/fib_rules.h and linux/rtnetlink.h.
const (
	actionTable = 1

	attrTo       = 1
	attrPriority = 6
	attrTable    = 15
	attrProto    = 22
	attrPorts    = 24

	attrCard = 4 // for a route
)

// message is RTM_NEWRULE with struct fib_rule_hdr.
func (r rule) message() []byte {
	ne := binary.NativeEndian
	table := uint32(unix.RT_TABLE_MAIN)
	if r.port == 0 {
		table = closedTable
	}
	b := message(unix.RTM_NEWRULE, []byte{unix.AF_INET, r.to.bits, 0, 0, unix.RT_TABLE_UNSPEC, 0, 0, actionTable, 0, 0, 0, 0})
	b = attribute(b, attrTo, r.to.first[:])
	b = attribute(b, attrPriority, ne.AppendUint32(nil, r.priority))
	b = attribute(b, attrTable, ne.AppendUint32(nil, table))
	if r.port != 0 {
		b = attribute(b, attrProto, []byte{r.proto})
		b = attribute(b, attrPorts, ne.AppendUint16(ne.AppendUint16(nil, r.port), r.port))
	}
	return finish(b)
}

// kept is RTM_NEWROUTE with struct rtmsg, for packets by way of a card that are to stay
// here.
func (b block) kept(card int) []byte {
	m := message(unix.RTM_NEWROUTE, []byte{unix.AF_INET, b.bits, 0, 0, closedTable, unix.RTPROT_STATIC, unix.RT_SCOPE_HOST, unix.RTN_LOCAL, 0, 0, 0, 0})
	m = attribute(m, attrTo, b.first[:])
	return finish(attribute(m, attrCard, binary.NativeEndian.AppendUint32(nil, uint32(card))))
}

// message begins a message: struct nlmsghdr, and the struct of its kind.
func message(kind uint16, body []byte) []byte {
	ne := binary.NativeEndian
	b := ne.AppendUint32(nil, 0) // its length
	b = ne.AppendUint16(b, kind)
	b = ne.AppendUint16(b, unix.NLM_F_REQUEST|unix.NLM_F_ACK|unix.NLM_F_CREATE|unix.NLM_F_EXCL)
	b = append(b, make([]byte, 8)...) // number, port
	return append(b, body...)
}

func attribute(b []byte, kind uint16, value []byte) []byte {
	b = binary.NativeEndian.AppendUint16(b, uint16(4+len(value)))
	b = append(binary.NativeEndian.AppendUint16(b, kind), value...)
	return append(b, make([]byte, -len(b)&3)...)
}

func finish(b []byte) []byte {
	binary.NativeEndian.PutUint32(b, uint32(len(b)))
	return b
}

// ask sends a message and waits for the kernel's answer.
func ask(s int, b []byte) error {
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
