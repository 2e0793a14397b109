// SPDX-License-Identifier: MPL-2.0

package layer

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/carosio/carosbuild/pkg/userns"
	"github.com/carosio/carosbuild/pkg/userns/usernstest"
)

// settledVar marks a process that another has started inside the namespace.
const settledVar = "CAROSBUILD_TEST_SETTLED"

func TestMain(m *testing.M) {
	if os.Getenv(settledVar) == "" {
		usernstest.Settle()
	}
	os.Exit(m.Run())
}

// inNamespace runs the test again inside a user namespace. It returns true there, and
// false outside once that run has passed.
func inNamespace(t testing.TB) bool {
	t.Helper()
	var flags []string
	for _, f := range os.Args[1:] {
		if strings.HasPrefix(f, "-test.short") || strings.HasPrefix(f, "-test.benchtime=") {
			flags = append(flags, f)
		} else if strings.HasPrefix(f, "-test.cpuprofile=") {
			flags = append(flags, f+".inner")
		}
	}
	return usernstest.Again(t, userns.Ranges, flags...)
}

// innerEnv is the environment for a program inside: containers/storage makes a directory
// for the account if XDG_RUNTIME_DIR is not set.
func innerEnv(t testing.TB) []string { return append(os.Environ(), "XDG_RUNTIME_DIR="+t.TempDir()) }

// missing skips a test that lacks something, or fails it if everything is required.
func missing(t testing.TB, what string) {
	t.Helper()
	if os.Getenv("CAROSBUILD_REQUIRE_TOOLS") == "1" {
		t.Fatal("needs ", what)
	}
	t.Skip("needs ", what)
}

// tool finds a program, even in directories that only the superuser's PATH has.
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
	missing(t, name)
	return ""
}

// openStore opens a store in a temporary directory; it works only in a namespace.
func openStore(t testing.TB) *Store {
	t.Helper()
	dir := t.TempDir()
	return openStoreAt(t, dir)
}

func openStoreAt(t testing.TB, dir string) *Store {
	t.Helper()
	s, err := Open(t.Context(), Options{GraphRoot: filepath.Join(dir, "graph"), RunRoot: filepath.Join(dir, "run")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}
