// SPDX-License-Identifier: MPL-2.0

package oci

import "testing"

// Architectures have Debian's names, Go's, and those with a variant.
func TestArchitecture(t *testing.T) {
	for name, want := range map[string]string{"armhf": "arm", "armel": "arm", "arm/v6": "arm", "i386": "386", "amd64": "amd64", "ppc64el": "ppc64le"} {
		if got := Architecture(name); got != want {
			t.Errorf("%s is %s, want %s", name, got, want)
		}
	}
}
