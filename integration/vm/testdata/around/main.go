// SPDX-License-Identifier: MPL-2.0

// Around tries to reach ports of the host's loopback past the routes of a virtual machine:
// around TCP UDP. What comes through, the host sees.
package main

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

var loopback, gateway, broadcast = [4]byte{127, 0, 0, 1}, [4]byte{10, 0, 2, 2}, [4]byte{255, 255, 255, 255}

func main() {
	tcp, udp := netip.MustParseAddrPort("0.0.0.0:"+os.Args[1]).Port(), netip.MustParseAddrPort("0.0.0.0:"+os.Args[2]).Port()
	card, err := net.InterfaceByName("eth0")
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	for _, to := range [][4]byte{loopback, gateway, broadcast} {
		for name, prepare := range map[string]func(s int) error{
			"plain":  func(int) error { return nil },
			"device": func(s int) error { return unix.BindToDevice(s, card.Name) },
			"index":  func(s int) error { return unix.SetsockoptInt(s, unix.IPPROTO_IP, 50, int(uint32(card.Index)<<24)) }, // IP_UNICAST_IF
		} {
			fmt.Println(name, to, "udp", datagram(prepare, to, udp))
			if to != broadcast {
				fmt.Println(name, to, "tcp", connect(prepare, to, tcp))
			}
		}
		fmt.Println("raw", to, raw(to, tcp))
	}
	for _, kind := range []struct{ family, kind, protocol int }{{unix.AF_PACKET, unix.SOCK_RAW, 0x300}, {unix.AF_INET, unix.SOCK_PACKET, 0x300}, {unix.AF_INET6, unix.SOCK_RAW, unix.IPPROTO_TCP}} {
		s, err := unix.Socket(kind.family, kind.kind, kind.protocol)
		fmt.Println("socket", kind, err)
		if err == nil {
			fmt.Println("open", kind)
			unix.Close(s)
		}
	}
}

func datagram(prepare func(s int) error, to [4]byte, port uint16) error {
	s, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM, 0)
	if err != nil {
		return err
	}
	defer unix.Close(s)
	if err := prepare(s); err != nil {
		return err
	}
	if to == broadcast {
		if err := unix.SetsockoptInt(s, unix.SOL_SOCKET, unix.SO_BROADCAST, 1); err != nil {
			return err
		}
	}
	return unix.Sendto(s, []byte(fmt.Sprint("udp to ", to)), 0, &unix.SockaddrInet4{Port: int(port), Addr: to})
}

func connect(prepare func(s int) error, to [4]byte, port uint16) error {
	s, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return err
	}
	defer unix.Close(s)
	if err := prepare(s); err != nil {
		return err
	}
	err = unix.Connect(s, &unix.SockaddrInet4{Port: int(port), Addr: to})
	time.Sleep(time.Second)
	return err
}

// raw sends the first segment of a connection, whose header names another address than the
// one that is routed.
func raw(to [4]byte, port uint16) error {
	s, err := unix.Socket(unix.AF_INET, unix.SOCK_RAW, unix.IPPROTO_RAW)
	if err != nil {
		return err
	}
	defer unix.Close(s)
	from := []byte{10, 0, 2, 15}
	header := append(append([]byte{0x45, 0, 0, 40, 0, 1, 0, 0, 64, unix.IPPROTO_TCP, 0, 0}, from...), to[:]...)
	segment := binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint16(nil, 4444), port)
	segment = append(segment, 0, 0, 0, 1, 0, 0, 0, 0, 0x50, 2, 0xff, 0xff, 0, 0, 0, 0)
	pseudo := append(append(append([]byte{}, from...), to[:]...), 0, unix.IPPROTO_TCP, 0, 20)
	binary.BigEndian.PutUint16(segment[16:], checksum(append(pseudo, segment...)))
	err = unix.Sendto(s, append(header, segment...), 0, &unix.SockaddrInet4{Addr: [4]byte{192, 0, 2, 1}})
	time.Sleep(time.Second)
	return err
}

func checksum(b []byte) uint16 {
	n := uint32(0)
	for i := 0; i < len(b); i += 2 {
		n += uint32(binary.BigEndian.Uint16(b[i:]))
	}
	for n>>16 != 0 {
		n = n&0xffff + n>>16
	}
	return ^uint16(n)
}
