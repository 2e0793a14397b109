// This Source Code Form is subject to the terms of the Mozilla Public
// License, v. 2.0. If a copy of the MPL was not distributed with this
// file, You can obtain one at https://mozilla.org/MPL/2.0/.

package terminal

import "testing"

func TestActs(t *testing.T) {
	for _, r := range "\x00\t\n\x1b\x7f\u0080\u009b\u2028\u2029\u202a\u202e\u2066\u2069" {
		if !Acts(r) {
			t.Errorf("%U is let through", r)
		}
	}
	for _, r := range " ~\u00a0é\u2027\u202f\u2065\u206a漢\ufffd" {
		if Acts(r) {
			t.Errorf("%U is held back", r)
		}
	}
}
