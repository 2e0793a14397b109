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

// Main is a TestMain of a package whose tests use Enter. Programs are what they run, by
// name; each gets its arguments.
func Main(m *testing.M, programs map[string]func(args []string) int) {
	if userns.Inside(os.Getenv) {
		if _, err := userns.Settle(os.Args, os.Environ()); err != nil {
			if !errors.Is(err, userns.ErrTold) {
				fmt.Fprintln(os.Stderr, err)
			}
			os.Exit(125)
		}
		os.Exit(programs[os.Args[1]](os.Args[2:]))
	}
	os.Exit(m.Run())
}

// Enter runs a program of Main's inside the namespaces and returns what it printed and
// its exit status. Where there are no namespaces the test is skipped, unless
// CAROSBUILD_REQUIRE_TOOLS is 1.
func Enter(t *testing.T, name string, args ...string) (output string, status int) {
	t.Helper()
	return EnterAs(t, userns.Ranges, name, args...)
}

// EnterAs is Enter in one way.
func EnterAs(t *testing.T, how userns.How, name string, args ...string) (output string, status int) {
	t.Helper()
	a := userns.Account{UID: os.Getuid(), GID: os.Getgid()}
	if u, err := user.Current(); err == nil {
		a.Name = u.Username
	}
	var out strings.Builder
	status, err := userns.Enter(t.Context(), userns.Entry{
		Account: a, How: how, Args: append([]string{"test", name}, args...),
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
