// SPDX-License-Identifier: MPL-2.0

package ova

import (
	"bytes"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestRead reads back the data from which a descriptor was made.
func TestRead(t *testing.T) {
	b := read(t, write(t, full(), options()))
	got, err := Read(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	want := Facts{
		Name: "CarOS 25", Product: "CarOS <& \"router\">", Vendor: "Travelping GmbH", Version: "25.11", Guest: "debian10_64Guest",
		Hardware: "vmx-13", Firmware: "efi", Cores: 4, Memory: 6 << 30, NICs: 3, Disks: 3,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("facts (-want +got):\n%s", diff)
	}
	if _, err := Read(bytes.NewReader(b[:600]), 600); err == nil {
		t.Error("a cut archive was read")
	}
}
