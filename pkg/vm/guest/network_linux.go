// SPDX-License-Identifier: MPL-2.0

package guest

import (
	"fmt"
	"net"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Addresses of QEMU's user network.
var (
	address  = [4]byte{10, 0, 2, 15}
	gateway  = [4]byte{10, 0, 2, 2}
	resolver = [4]byte{10, 0, 2, 3}
)

// Gateway is the address that QEMU maps to the host's loopback.
func Gateway() [4]byte { return gateway }

// connect brings up the loopback interface and, if wanted, the network. QEMU maps the
// gateway's address to the host's loopback, so only TCP to the port forward is let through,
// nothing if that is 0. QEMU maps the resolver's address to the host's resolver, which may be
// on the loopback, too, so only the DNS port is let through. The command has no capability to
// undo that, and no sockets that bypass routing, see program.
func connect(network bool, forward uint16) error {
	s, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(s)
	if err := up(s, "lo"); err != nil || !network {
		return err
	}
	const card = "eth0"
	if err := await("the network card", func() error {
		_, err := os.Stat("/sys/class/net/" + card)
		return err
	}); err != nil {
		return err
	}
	if err := setAddress(s, card, unix.SIOCSIFADDR, address); err != nil {
		return err
	}
	if err := setAddress(s, card, unix.SIOCSIFNETMASK, [4]byte{255, 255, 255, 0}); err != nil {
		return err
	}
	if err := up(s, card); err != nil {
		return err
	}
	var hosts []route
	for _, ip := range [][4]byte{resolver, gateway} {
		if ip == gateway && forward == 0 {
			continue
		}
		hosts = append(hosts, route{to: ip, mask: [4]byte{255, 255, 255, 255}, flags: unix.RTF_UP | unix.RTF_HOST, card: card})
	}
	for _, r := range append(hosts, route{to: [4]byte{}, via: gateway, flags: unix.RTF_UP | unix.RTF_GATEWAY}) {
		if err := r.add(s); err != nil {
			return err
		}
	}
	// A fragmented answer of the resolver has its ports in the first fragment only.
	if err := os.WriteFile("/proc/sys/net/ipv4/conf/"+card+"/accept_local", []byte("1"), 0); err != nil {
		return err
	}
	i, err := net.InterfaceByName(card)
	if err != nil {
		return err
	}
	return refuse(i.Index, forward)
}

func up(s int, name string) error {
	r, err := unix.NewIfreq(name)
	if err != nil {
		return err
	}
	if err := unix.IoctlIfreq(s, unix.SIOCGIFFLAGS, r); err != nil {
		return err
	}
	r.SetUint16(r.Uint16() | unix.IFF_UP)
	return unix.IoctlIfreq(s, unix.SIOCSIFFLAGS, r)
}

func setAddress(s int, name string, call uint, ip [4]byte) error {
	r, err := unix.NewIfreq(name)
	if err != nil {
		return err
	}
	if err := r.SetInet4Addr(ip[:]); err != nil {
		return err
	}
	return unix.IoctlIfreq(s, call, r)
}

// route is an entry of the routing table.
type route struct {
	to, mask, via [4]byte
	flags         uint16
	card          string
}

// rtentry is struct rtentry of linux/route.h.
type rtentry struct {
	_             uintptr
	dst, gw, mask unix.RawSockaddrInet4
	flags         uint16
	_             int16
	_             uintptr
	_             uintptr
	metric        int16
	dev           *byte
	mtu, window   uintptr
	irtt          uint16
}

func (r route) add(s int) error {
	inet := func(ip [4]byte) unix.RawSockaddrInet4 { return unix.RawSockaddrInet4{Family: unix.AF_INET, Addr: ip} }
	e := rtentry{dst: inet(r.to), gw: inet(r.via), mask: inet(r.mask), flags: r.flags}
	if r.card != "" {
		name, err := unix.BytePtrFromString(r.card)
		if err != nil {
			return err
		}
		e.dev = name
	}
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(s), unix.SIOCADDRT, uintptr(unsafe.Pointer(&e))); errno != 0 {
		return fmt.Errorf("route to %v: %w", r.to, errno)
	}
	return nil
}
