// SPDX-License-Identifier: MPL-2.0

package guest

import (
	"encoding/hex"
	"testing"
)

// The messages are those of "ip rule add to 10.0.2.3 priority 100 ipproto udp dport 53", of
// "ip rule add to 127.0.0.0/8 priority 102 table 100" and of "ip route add local 127.0.0.0/8
// dev eth0 table 100 protocol static", where eth0 is the second interface, on a little-endian
// machine.
func TestRuleMessage(t *testing.T) {
	loopback := block{[4]byte{127, 0, 0, 0}, 8}
	for _, c := range []struct {
		got  []byte
		want string
	}{
		{
			rule{to: host(resolver), proto: 17, port: 53, priority: 100}.message(),
			"4400000020000506" + "0000000000000000" + "022000000000000100000000" +
				"080001000a000203" + "0800060064000000" + "08000f00fe000000" + "0500160011000000" + "0800180035003500",
		},
		{
			rule{to: loopback, priority: 102}.message(),
			"3400000020000506" + "0000000000000000" + "020800000000000100000000" + "080001007f000000" + "0800060066000000" + "08000f0064000000",
		},
		{loopback.kept(2), "2c00000018000506" + "0000000000000000" + "020800006404fe0200000000" + "080001007f000000" + "0800040002000000"},
	} {
		if got := hex.EncodeToString(c.got); got != c.want {
			t.Errorf("got\n%s, want\n%s", got, c.want)
		}
	}
}
