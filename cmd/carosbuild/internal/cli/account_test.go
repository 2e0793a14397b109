// SPDX-License-Identifier: MPL-2.0

package cli

import (
	"testing"
)

func TestOwner(t *testing.T) {
	for _, tt := range []struct {
		env  map[string]string
		want string
	}{
		{map[string]string{"_CAROSBUILD_NAMESPACE": "x", "_CONTAINERS_ROOTLESS_UID": "0", "SUDO_USER": "ann"}, "ann"},
		{map[string]string{"_CAROSBUILD_NAMESPACE": "x", "_CONTAINERS_ROOTLESS_UID": "0"}, "root"},
		{map[string]string{"_CAROSBUILD_NAMESPACE": "x", "_CONTAINERS_ROOTLESS_UID": "4211111", "SUDO_USER": "ann"}, "4211111"},
		{map[string]string{"_CAROSBUILD_NAMESPACE": "x", "_CONTAINERS_ROOTLESS_UID": "4211111", "USER": "ben"}, "ben"},
	} {
		a := New()
		a.Getenv = func(k string) string { return tt.env[k] }
		if got := a.Owner(); got != tt.want {
			t.Errorf("owner %q, want %q: %v", got, tt.want, tt.env)
		}
	}
}
