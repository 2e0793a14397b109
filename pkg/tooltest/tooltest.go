// SPDX-License-Identifier: MPL-2.0

// Package tooltest runs other projects' programs in tests. Where one is missing,
// the test is skipped; with CAROSBUILD_REQUIRE_TOOLS=1, as in CI, it fails.
package tooltest

import (
	"bytes"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// Find is the path of a program, which may be where an ordinary user's PATH does
// not look.
func Find(t testing.TB, name string) string {
	t.Helper()
	for _, p := range []string{name, "/usr/sbin/" + name, "/sbin/" + name} {
		if path, err := exec.LookPath(p); err == nil {
			return path
		}
	}
	if os.Getenv("CAROSBUILD_REQUIRE_TOOLS") == "1" {
		t.Fatalf("%s is not installed", name)
	}
	t.Skipf("%s is not installed", name)
	return ""
}

// Command is a program, in UTC and without translations.
func Command(t testing.TB, name string, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), Find(t, name), args...)
	cmd.Env = append(os.Environ(), "TZ=UTC", "LC_ALL=C")
	return cmd
}

// Run is all that a program prints. The test fails if it does.
func Run(t testing.TB, name string, args ...string) string {
	t.Helper()
	out, err := Command(t, name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%.4000s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}

// Output is what a program prints on standard output, and on standard error.
func Output(cmd *exec.Cmd) (out, diag string, err error) {
	var o, d bytes.Buffer
	cmd.Stdout, cmd.Stderr = &o, &d
	err = cmd.Run()
	return o.String(), d.String(), err
}
