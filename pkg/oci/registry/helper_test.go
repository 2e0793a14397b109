// SPDX-License-Identifier: MPL-2.0

package registry

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// tool finds a program, also where only the superuser's PATH looks.
func tool(t testing.TB, name string) string {
	t.Helper()
	if p, err := exec.LookPath(name); err == nil {
		return p
	}
	for _, d := range []string{"/usr/sbin", "/sbin"} {
		if p := filepath.Join(d, name); exec.Command(p, "--version").Run() == nil {
			return p
		}
	}
	if os.Getenv("CAROSBUILD_REQUIRE_TOOLS") == "1" {
		t.Fatal("needs ", name)
	}
	t.Skip("needs ", name)
	return ""
}

// run is what a program writes to its standard output.
func run(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), name, args...).Output()
	if err != nil {
		t.Fatalf("%s %q: %v", name, args, err)
	}
	return string(out)
}
