// SPDX-License-Identifier: MPL-2.0

package rtnetlink

import (
	"encoding/binary"
	"fmt"

	"golang.org/x/sys/unix"
)

// Actions of rules and numbers of attributes, from linux/fib_rules.h and linux/rtnetlink.h.
// Attributes of routes and rules have the same numbers where both have them.
const (
	ActionTable    = 1 // look the route up in a table
	ActionProhibit = 8

	AttrDestination = 1
	AttrOutput      = 4 // of a route: the index of an interface
	AttrPriority    = 6
	AttrTable       = 15
	AttrProtocol    = 22
	AttrPorts       = 24 // of a rule: the first and the last destination port
)

// Message is a request to the kernel to create something.
type Message []byte

// NewMessage is a request of a kind, such as RTM_NEWROUTE. Body is its struct rtmsg or
// fib_rule_hdr.
func NewMessage(kind uint16, body []byte) Message {
	ne := binary.NativeEndian
	b := ne.AppendUint32(nil, 0) // struct nlmsghdr: its length
	b = ne.AppendUint16(b, kind)
	b = ne.AppendUint16(b, unix.NLM_F_REQUEST|unix.NLM_F_ACK|unix.NLM_F_CREATE|unix.NLM_F_EXCL)
	b = append(b, make([]byte, 8)...) // number, port
	return complete(append(b, body...))
}

// complete sets the length.
func complete(b []byte) Message {
	binary.NativeEndian.PutUint32(b, uint32(len(b)))
	return b
}

// With is the message with another attribute, padded to four bytes.
func (m Message) With(attribute uint16, value []byte) Message {
	b := binary.NativeEndian.AppendUint16(m, uint16(4+len(value)))
	b = append(binary.NativeEndian.AppendUint16(b, attribute), value...)
	return complete(append(b, make([]byte, -len(b)&3)...))
}

// WithUint32 is With for a number.
func (m Message) WithUint32(attribute uint16, value uint32) Message {
	return m.With(attribute, binary.NativeEndian.AppendUint32(nil, value))
}

// Socket speaks with the kernel about the network of the namespace in which it was opened.
type Socket struct{ fd int }

// Open opens a socket in the namespace of this thread.
func Open() (Socket, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_ROUTE)
	return Socket{fd}, err
}

// Close closes the socket.
func (s Socket) Close() error { return unix.Close(s.fd) }

// Send sends a message and waits for the answer. What the kernel refuses is a unix.Errno.
func (s Socket) Send(m Message) error {
	if err := unix.Sendto(s.fd, m, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return err
	}
	var buf [4096]byte
	n, _, err := unix.Recvfrom(s.fd, buf[:], 0)
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
