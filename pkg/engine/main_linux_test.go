// SPDX-License-Identifier: MPL-2.0

package engine_test

import (
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"strings"
	"testing"

	"github.com/carosio/carosbuild/pkg/supervisor"
	"github.com/carosio/carosbuild/pkg/userns"

	"github.com/carosio/carosbuild/pkg/remedy"
)

// outsideVar switches off what needs a user namespace.
const outsideVar = "TEST_WITHOUT_NAMESPACES"

func TestMain(m *testing.M) {
	if status, inner := supervisor.Inner(os.Getenv); inner {
		os.Exit(status)
	}
	if userns.Inside(os.Getenv) {
		if _, err := userns.Settle(os.Args, os.Environ()); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(125)
		}
	}
	os.Exit(m.Run())
}

// inNamespace runs the test once more inside a user namespace. It returns true
// there, and false outside after that run has passed.
func inNamespace(t *testing.T) bool {
	t.Helper()
	return inNamespaceOf(t, userns.Ranges)
}

// inNamespaceOf is inNamespace of one kind.
func inNamespaceOf(t *testing.T, how userns.How) bool {
	t.Helper()
	if userns.Inside(os.Getenv) {
		return true
	}
	if os.Getenv(outsideVar) == "1" {
		missing(t, "a user namespace, which "+outsideVar+" switches off")
	}
	a := userns.Account{UID: os.Getuid(), GID: os.Getgid()}
	if u, err := user.Current(); err == nil {
		a.Name = u.Username
	}
	var out strings.Builder
	status, err := userns.Enter(t.Context(), userns.Entry{
		Account: a, How: how, Args: []string{os.Args[0], "-test.v", "-test.run=^" + t.Name() + "$"},
		Env: append(os.Environ(), "XDG_RUNTIME_DIR="+t.TempDir()), Stdout: &out, Stderr: &out,
	})
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

// missing skips a test that needs something, or fails it where all is required.
func missing(t *testing.T, what string) {
	t.Helper()
	if os.Getenv("CAROSBUILD_REQUIRE_TOOLS") == "1" {
		t.Fatal("needs ", what)
	}
	t.Skip("needs ", what)
}

// busybox is the path of a static busybox.
func busybox(t *testing.T) string {
	t.Helper()
	path, err := exec.LookPath("busybox")
	if err != nil {
		missing(t, "busybox (package busybox-static)")
	}
	return path
}
