// SPDX-License-Identifier: MPL-2.0

package usernstest

import (
	"errors"
	"fmt"
	"os"
	"os/user"
	"strings"
	"testing"

	"github.com/carosio/carosbuild/pkg/remedy"
	"github.com/carosio/carosbuild/pkg/userns"
)

// Main is the TestMain of a package whose tests use Enter. Programs are the programs that they
// run, by name; each gets its arguments.
func Main(m *testing.M, programs map[string]func(args []string) int) {
	if userns.Inside(os.Getenv) {
		Settle()
		os.Exit(programs[os.Args[1]](os.Args[2:]))
	}
	os.Exit(m.Run())
}

// Enter runs one of Main's programs inside the namespaces and returns its output and exit
// status. Without namespaces the test is skipped, unless CAROSBUILD_REQUIRE_TOOLS is 1.
func Enter(t *testing.T, name string, args ...string) (output string, status int) {
	t.Helper()
	return EnterAs(t, userns.Ranges, name, args...)
}

// EnterAs is Enter in a given way.
func EnterAs(t *testing.T, how userns.How, name string, args ...string) (output string, status int) {
	t.Helper()
	var out strings.Builder
	status, err := userns.Enter(t.Context(), userns.Entry{
		Account: account(), How: how, Args: append([]string{"test", name}, args...),
		Env: os.Environ(), Stdout: &out, Stderr: &out,
	})
	if remedy.Is(err) && os.Getenv("CAROSBUILD_REQUIRE_TOOLS") != "1" {
		t.Skipf("no user namespace here: %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	return out.String(), status
}

// Again runs the calling test again inside the namespaces, with more arguments for the test
// program. It returns true there, and false outside once that run has passed. A TestMain has to
// call Settle. Without namespaces the test is skipped as in Enter.
func Again(t testing.TB, how userns.How, flags ...string) bool {
	t.Helper()
	if userns.Inside(os.Getenv) {
		return true
	}
	args := []string{os.Args[0], "-test.v", "-test.run=^" + t.Name() + "$"}
	if _, ok := t.(*testing.B); ok {
		args = []string{os.Args[0], "-test.run=^$", "-test.bench=^" + t.Name() + "$"}
	}
	var out strings.Builder
	status, err := userns.Enter(t.Context(), userns.Entry{
		Account: account(), How: how, Args: append(args, flags...),
		// Without XDG_RUNTIME_DIR, containers/storage makes a directory for the account.
		Env: append(os.Environ(), "XDG_RUNTIME_DIR="+t.TempDir()), Stdout: &out, Stderr: &out,
	})
	if remedy.Is(err) && os.Getenv("CAROSBUILD_REQUIRE_TOOLS") != "1" {
		t.Skipf("no user namespace here: %v", err)
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

// Settle is for a TestMain of a package whose tests use Again.
func Settle() {
	if !userns.Inside(os.Getenv) {
		return
	}
	if _, err := userns.Settle(os.Args, os.Environ()); err != nil {
		if !errors.Is(err, userns.ErrTold) {
			fmt.Fprintln(os.Stderr, err)
		}
		os.Exit(125)
	}
}

// account is the account that owns the namespaces.
func account() userns.Account {
	a := userns.Account{UID: os.Getuid(), GID: os.Getgid()}
	if u, err := user.Current(); err == nil {
		a.Name = u.Username
	}
	return a
}
