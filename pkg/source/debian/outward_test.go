// SPDX-License-Identifier: MPL-2.0

package debian

import "testing"

// A mirror cannot lead the relay to this machine, unless it is there itself.
func TestCheckOutward(t *testing.T) {
	for _, tt := range []struct {
		host, from string
		refused    bool
	}{
		{"127.0.0.1", "192.0.2.1", true},
		{"::1", "192.0.2.1", true},
		{"::ffff:127.0.0.1", "192.0.2.1", true},
		{"169.254.169.254", "192.0.2.1", true},
		{"0.0.0.0", "192.0.2.1", true},
		{"localhost", "192.0.2.1", true},
		{"192.0.2.2", "192.0.2.1", false},
		{"127.0.0.1", "127.0.0.1", false},
	} {
		if err := checkOutward(t.Context(), tt.host, tt.from); (err != nil) != tt.refused {
			t.Errorf("%s of %s: %v", tt.host, tt.from, err)
		}
	}
}
