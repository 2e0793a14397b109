// SPDX-License-Identifier: MPL-2.0

package ova

import (
	"crypto/sha256"
	"fmt"
	"testing"
)

// TestPinned has the bytes of machines from old declarations: later features must
// not change them.
func TestPinned(t *testing.T) {
	for name, want := range map[string]string{
		"full": "e44271c98b391660",
		"old":  "a85ef53227748e2e",
	} {
		vm := machines()[name]
		text, err := Descriptor(vm, testDisks(vm))
		if err != nil {
			t.Fatal(err)
		}
		if got := fmt.Sprintf("%.8x", sha256.Sum256(text)); got != want {
			t.Errorf("descriptor of %s: %s, want %s", name, got, want)
		}
	}
	if got, want := fmt.Sprintf("%.8x", sha256.Sum256(read(t, write(t, full(), options()))[:8192])), "9fe17206abb37431"; got != want {
		t.Errorf("front of the archive: %s, want %s", got, want)
	}
}
