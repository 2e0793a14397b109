// SPDX-License-Identifier: MPL-2.0

package userns_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/carosio/carosbuild/pkg/userns/usernstest"
)

var programs = map[string]func(args []string) int{}

func TestMain(m *testing.M) { usernstest.Main(m, programs) }

func init() {
	programs["ids"] = func(args []string) int {
		dir := args[0]
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
	out, status := usernstest.Enter(t, "ids", t.TempDir())
	if got, want := out, "uid 0 pid 1 self 1 <nil>\n"; got != want {
		t.Errorf("inner program printed %q, want %q", got, want)
	}
	if status != 7 {
		t.Errorf("exit status %d, want 7", status)
	}
}
