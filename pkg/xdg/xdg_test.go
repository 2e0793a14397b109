// SPDX-License-Identifier: MPL-2.0

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
