// SPDX-License-Identifier: MPL-2.0

package registry

import (
	"os/exec"
	"testing"
)

// run returns what a program writes to its standard output.
func run(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), name, args...).Output()
	if err != nil {
		t.Fatalf("%s %q: %v", name, args, err)
	}
	return string(out)
}
