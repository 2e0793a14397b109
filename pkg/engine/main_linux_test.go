// SPDX-License-Identifier: MPL-2.0

package engine_test

import (
	"os"
	"os/exec"
	"testing"

	"github.com/carosio/carosbuild/pkg/supervisor"
	"github.com/carosio/carosbuild/pkg/userns"
	"github.com/carosio/carosbuild/pkg/userns/usernstest"
)

// outsideVar switches off tests that need a user namespace.
const outsideVar = "TEST_WITHOUT_NAMESPACES"

func TestMain(m *testing.M) {
	if status, inner := supervisor.Inner(os.Getenv); inner {
		os.Exit(status)
	}
	usernstest.Settle()
	os.Exit(m.Run())
}

// inNamespace runs the test again inside a user namespace. It returns true there, and
// false outside once that run has passed.
func inNamespace(t *testing.T) bool {
	t.Helper()
	return inNamespaceOf(t, userns.Ranges)
}

// inNamespaceOf is inNamespace for one kind of namespace.
func inNamespaceOf(t *testing.T, how userns.How) bool {
	t.Helper()
	if !userns.Inside(os.Getenv) && os.Getenv(outsideVar) == "1" {
		missing(t, "a user namespace, which "+outsideVar+" switches off")
	}
	return usernstest.Again(t, how)
}

// missing skips a test that lacks something, or fails it if everything is required.
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
