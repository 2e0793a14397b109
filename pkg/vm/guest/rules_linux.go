// SPDX-License-Identifier: MPL-2.0

package guest

import (
	"encoding/binary"
	"fmt"

	"golang.org/x/sys/unix"
)

// refuse lets nothing reach the resolver but questions for names, nor the gateway but TCP to
// a port, 0 for none: rules are asked before the routing table is.
func refuse(forward uint16) error {
	s, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_ROUTE)
	if err != nil {
		return err
	}
	defer unix.Close(s)
	rules := []rule{{to: resolver, proto: unix.IPPROTO_UDP, port: 53}, {to: resolver, proto: unix.IPPROTO_TCP, port: 53}, {to: resolver}}
	if forward != 0 {
		rules = append(rules, rule{to: gateway, proto: unix.IPPROTO_TCP, port: forward}, rule{to: gateway})
	}
	for i, r := range rules {
		r.priority = uint32(100 + i)
		if err := r.add(s); err != nil {
			return fmt.Errorf("routing rule for %v: %w", r.to, err)
		}
	}
	return nil
}

// rule is a routing rule: what goes to a port of an address looks into the main table, what
// goes to the rest of it is refused.
type rule struct {
	to       [4]byte
	proto    uint8
	port     uint16 // 0: all, and they are refused
	priority uint32
}

// From linux/fib_rules.h.
const (
	actionTable    = 1
	actionProhibit = 8

	attrTo       = 1
	attrPriority = 6
	attrTable    = 15
	attrProto    = 22
	attrPorts    = 24
)

// message is RTM_NEWRULE: struct nlmsghdr, struct fib_rule_hdr and attributes.
func (r rule) message() []byte {
	ne := binary.NativeEndian
	b := ne.AppendUint32(nil, 0) // its length
	b = ne.AppendUint16(b, unix.RTM_NEWRULE)
	b = ne.AppendUint16(b, unix.NLM_F_REQUEST|unix.NLM_F_ACK|unix.NLM_F_CREATE|unix.NLM_F_EXCL)
	b = append(b, make([]byte, 8)...) // number, port
	action := byte(actionTable)
	if r.port == 0 {
		action = actionProhibit
	}
	b = append(b, unix.AF_INET, 32, 0, 0, unix.RT_TABLE_UNSPEC, 0, 0, action, 0, 0, 0, 0)
	attr := func(kind uint16, value []byte) {
		b = ne.AppendUint16(b, uint16(4+len(value)))
		b = append(ne.AppendUint16(b, kind), value...)
		b = append(b, make([]byte, -len(b)&3)...)
	}
	attr(attrTo, r.to[:])
	attr(attrPriority, ne.AppendUint32(nil, r.priority))
	if r.port != 0 {
		attr(attrTable, ne.AppendUint32(nil, unix.RT_TABLE_MAIN))
		attr(attrProto, []byte{r.proto})
		attr(attrPorts, ne.AppendUint16(ne.AppendUint16(nil, r.port), r.port))
	}
	ne.PutUint32(b, uint32(len(b)))
	return b
}

func (r rule) add(s int) error {
	if err := unix.Sendto(s, r.message(), 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
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
