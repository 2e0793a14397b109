// SPDX-License-Identifier: MPL-2.0

package debian

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// tool finds a foreign program. Its absence skips the test, or fails it where
// CAROSBUILD_REQUIRE_TOOLS is 1.
func tool(t testing.TB, name string) string {
	t.Helper()
	if p, err := exec.LookPath(name); err == nil {
		return p
	}
	for _, dir := range []string{"/usr/sbin", "/sbin"} {
		if p := filepath.Join(dir, name); exists(p) {
			return p
		}
	}
	if os.Getenv("CAROSBUILD_REQUIRE_TOOLS") == "1" {
		t.Fatalf("%s is not installed", name)
	}
	t.Skipf("%s is not installed", name)
	return ""
}

func exists(name string) bool {
	_, err := os.Lstat(name)
	return err == nil
}

func run(name string, args ...string) error {
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s %v: %w\n%s", name, args, err, out)
	}
	return nil
}

func readText(t testing.TB, name string) string {
	t.Helper()
	data, err := os.ReadFile(name)
	must(t, err)
	return string(data)
}
