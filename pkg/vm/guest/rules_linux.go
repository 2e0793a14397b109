// SPDX-License-Identifier: MPL-2.0

package guest

import (
	"encoding/binary"
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/carosio/carosbuild/pkg/rtnetlink"
)

// closedTable is the routing table for packets that must not leave the machine. It routes
// them to the machine itself: IPv4 ignores an unreachable route for a socket that is bound to
// the card.
const closedTable = 100

// refuse closes QEMU's network except for DNS queries to the resolver and TCP to one port of
// the gateway, 0 for none. It closes loopback addresses, too, which QEMU would map to the
// host's. Rules come before the main table.
func refuse(card int, forward uint16) error {
	s, err := rtnetlink.Open()
	if err != nil {
		return err
	}
	defer s.Close()
	closed := []block{{[4]byte{10, 0, 2, 0}, 24}, {[4]byte{127, 0, 0, 0}, 8}}
	for _, b := range closed {
		if err := s.Send(b.kept(card)); err != nil {
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
		if err := s.Send(r.message()); err != nil {
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

// message is RTM_NEWRULE with struct fib_rule_hdr.
func (r rule) message() rtnetlink.Message {
	table := uint32(unix.RT_TABLE_MAIN)
	if r.port == 0 {
		table = closedTable
	}
	m := rtnetlink.NewMessage(unix.RTM_NEWRULE, []byte{unix.AF_INET, r.to.bits, 0, 0, unix.RT_TABLE_UNSPEC, 0, 0, rtnetlink.ActionTable, 0, 0, 0, 0}).
		With(rtnetlink.AttrDestination, r.to.first[:]).
		WithUint32(rtnetlink.AttrPriority, r.priority).
		WithUint32(rtnetlink.AttrTable, table)
	if r.port != 0 {
		ne := binary.NativeEndian
		m = m.With(rtnetlink.AttrProtocol, []byte{r.proto}).
			With(rtnetlink.AttrPorts, ne.AppendUint16(ne.AppendUint16(nil, r.port), r.port))
	}
	return m
}

// kept is RTM_NEWROUTE with struct rtmsg, for what is to stay here by way of a card.
func (b block) kept(card int) rtnetlink.Message {
	return rtnetlink.NewMessage(unix.RTM_NEWROUTE, []byte{unix.AF_INET, b.bits, 0, 0, closedTable, unix.RTPROT_STATIC, unix.RT_SCOPE_HOST, unix.RTN_LOCAL, 0, 0, 0, 0}).
		With(rtnetlink.AttrDestination, b.first[:]).
		WithUint32(rtnetlink.AttrOutput, uint32(card))
}
