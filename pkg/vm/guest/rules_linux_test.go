// SPDX-License-Identifier: MPL-2.0

package guest

import (
	"encoding/hex"
	"testing"
)

// The messages are those of "ip rule add to 10.0.2.3 priority 100 ipproto udp dport 53" and
// of "... priority 102 prohibit", on a little-endian machine.
func TestRuleMessage(t *testing.T) {
	for _, c := range []struct {
		rule rule
		want string
	}{
		{
			rule{to: resolver, proto: 17, port: 53, priority: 100},
			"4400000020000506" + "0000000000000000" + "022000000000000100000000" +
				"080001000a000203" + "0800060064000000" + "08000f00fe000000" + "0500160011000000" + "0800180035003500",
		},
		{rule{to: resolver, priority: 102}, "2c00000020000506" + "0000000000000000" + "022000000000000800000000" + "080001000a000203" + "0800060066000000"},
	} {
		if got := hex.EncodeToString(c.rule.message()); got != c.want {
			t.Errorf("got\n%s, want\n%s", got, c.want)
		}
	}
}
