// SPDX-License-Identifier: MPL-2.0

package runc

import (
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"strings"
	"testing"

	"github.com/carosio/carosbuild/pkg/remedy"
)

// inner are the programs that tests run inside the namespaces, by name.
var inner = map[string]func() int{}

func TestMain(m *testing.M) {
	if Inside(os.Getenv) {
		if _, err := Settle(os.Args, os.Environ()); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(125)
		}
		os.Exit(inner[os.Args[1]]())
	}
	os.Exit(m.Run())
}

// account is the user that runs the tests.
func account(t *testing.T) Account {
	t.Helper()
	a := Account{UID: os.Getuid(), GID: os.Getgid()}
	if u, err := user.Current(); err == nil {
		a.Name = u.Username
	}
	return a
}

// enter runs the inner program of that name and returns what it printed.
func enter(t *testing.T, name string, args ...string) (string, int) {
	t.Helper()
	var out strings.Builder
	status, err := Enter(t.Context(), Entry{
		Account: account(t), Args: append([]string{"test", name}, args...),
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

func init() {
	inner["ids"] = func() int {
		dir := os.Args[2]
		for _, p := range []struct {
			name     string
			uid, gid int
		}{{"a", 0, 0}, {"b", 33, 44}, {"c", 65534, 65534}} {
			path := filepath.Join(dir, p.name)
			if err := os.WriteFile(path, nil, 0o644); err != nil {
				fmt.Println(err)
				return 1
			}
			if err := os.Chown(path, p.uid, p.gid); err != nil {
				fmt.Println(err)
				return 1
			}
		}
		self, err := os.Readlink("/proc/self")
		fmt.Println("uid", os.Getuid(), "pid", os.Getpid(), "self", self, err)
		os.RemoveAll(filepath.Join(dir, "b"))
		return 7
	}
}

func TestEnter(t *testing.T) {
	out, status := enter(t, "ids", t.TempDir())
	if got, want := out, "uid 0 pid 1 self 1 <nil>\n"; got != want {
		t.Errorf("inner program printed %q, want %q", got, want)
	}
	if status != 7 {
		t.Errorf("exit status %d, want 7", status)
	}
}
