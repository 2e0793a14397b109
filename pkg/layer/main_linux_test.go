// SPDX-License-Identifier: MPL-2.0

package layer

import (
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strings"
	"testing"

	"github.com/carosio/carosbuild/pkg/userns"

	"github.com/carosio/carosbuild/pkg/remedy"
)

// settledVar marks a process that another one has started inside the
// namespace.
const settledVar = "CAROSBUILD_TEST_SETTLED"

func TestMain(m *testing.M) {
	if userns.Inside(os.Getenv) && os.Getenv(settledVar) == "" {
		if _, err := userns.Settle(os.Args, os.Environ()); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(125)
		}
	}
	os.Exit(m.Run())
}

// inNamespace runs the test once more inside a user namespace. It returns
// true there, and false outside after that run has passed.
func inNamespace(t testing.TB) bool {
	t.Helper()
	if userns.Inside(os.Getenv) {
		return true
	}
	a := userns.Account{UID: os.Getuid(), GID: os.Getgid()}
	if u, err := user.Current(); err == nil {
		a.Name = u.Username
	}
	args := []string{os.Args[0], "-test.v", "-test.run=^" + t.Name() + "$"}
	if _, ok := t.(*testing.B); ok {
		args = []string{os.Args[0], "-test.run=^$", "-test.bench=^" + t.Name() + "$"}
	}
	for _, f := range os.Args[1:] {
		if strings.HasPrefix(f, "-test.short") || strings.HasPrefix(f, "-test.benchtime=") {
			args = append(args, f)
		} else if strings.HasPrefix(f, "-test.cpuprofile=") {
			args = append(args, f+".inner")
		}
	}
	var out strings.Builder
	status, err := userns.Enter(t.Context(), userns.Entry{Account: a, Args: args, Env: innerEnv(t), Stdout: &out, Stderr: &out})
	if remedy.Is(err) {
		missing(t, "a user namespace: "+err.Error())
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Log(out.String())
	if status != 0 {
		t.Fatalf("inside the namespace: status %d", status)
	}
	return false
}

// innerEnv is the environment for a program inside: containers/storage makes
// a directory for the account where there is no XDG_RUNTIME_DIR.
func innerEnv(t testing.TB) []string { return append(os.Environ(), "XDG_RUNTIME_DIR="+t.TempDir()) }

// missing skips a test that needs something, or fails it where all is
// required.
func missing(t testing.TB, what string) {
	t.Helper()
	if os.Getenv("CAROSBUILD_REQUIRE_TOOLS") == "1" {
		t.Fatal("needs ", what)
	}
	t.Skip("needs ", what)
}

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
	missing(t, name)
	return ""
}

// openStore opens a store in a temporary directory; only in a namespace.
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
