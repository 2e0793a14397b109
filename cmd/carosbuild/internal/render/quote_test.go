// SPDX-License-Identifier: MPL-2.0

package render

import (
	"os/exec"
	"strings"
	"testing"
)

// TestQuoteArgs has a shell read the arguments.
func TestQuoteArgs(t *testing.T) {
	args := []string{"plain.xml", "my disk.img", "it's", "$(touch x)", "", "a;b", "*", "~", "#x", "ä"}
	out, err := exec.CommandContext(t.Context(), "/bin/sh", "-c", `printf '%s\n' `+QuoteArgs(args)).Output()
	if err != nil {
		t.Fatal(err)
	}
	if got, want := string(out), strings.Join(args, "\n")+"\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
