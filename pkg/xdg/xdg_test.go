// This Source Code Form is subject to the terms of the Mozilla Public
// License, v. 2.0. If a copy of the MPL was not distributed with this
// file, You can obtain one at https://mozilla.org/MPL/2.0/.

package xdg

import "testing"

func TestConfigHome(t *testing.T) {
	for set, want := range map[string]string{"": "/home/x/.config", "/elsewhere": "/elsewhere", "relative": "/home/x/.config"} {
		got := ConfigHome(func(name string) string {
			return map[string]string{"HOME": "/home/x", "XDG_CONFIG_HOME": set}[name]
		})
		if got != want {
			t.Errorf("XDG_CONFIG_HOME=%s: got %s, want %s", set, got, want)
		}
	}
}
