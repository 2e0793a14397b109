// SPDX-License-Identifier: MPL-2.0

package doctor

import (
	"os"
	"strings"
	"testing"
)

// The page describes all changes.
func TestReference(t *testing.T) {
	page, err := os.ReadFile("../../docs/reference.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(page), "\nThe changes are:\n")
	for _, c := range append([]Change{RootCaps, OrdinaryUser, PermitUserNS}, every...) {
		if !strings.Contains(table, "`"+string(c)+"`") {
			t.Errorf("%s is not described", c)
		}
	}
}
