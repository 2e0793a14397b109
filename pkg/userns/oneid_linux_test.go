// SPDX-License-Identifier: MPL-2.0

package userns_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/carosio/carosbuild/pkg/userns"
	"github.com/carosio/carosbuild/pkg/userns/usernstest"
)

func init() {
	programs["one id"] = func(args []string) int {
		path := filepath.Join(args[0], "f")
		err := os.WriteFile(path, nil, 0o644)
		uids, err2 := os.ReadFile("/proc/self/uid_map")
		f := strings.Fields(string(uids))
		fmt.Println(err, err2, "uid", os.Getuid(), "pid", os.Getpid(), "ids", f[0], f[2], "chown", os.Chown(path, 33, 33), "tmpfs", unix.Mount("tmpfs", args[0], "tmpfs", 0, ""))
		if os.Getpid() != 1 {
			_ = exec.Command("sleep", "1000").Start()
		}
		return 0
	}
	// masked is the outer program in a container whose /proc is masked: a mount hides a part of
	// it. Nested, it enters by itself.
	programs["masked"] = func(args []string) int {
		if err := unix.Mount("tmpfs", "/proc/acpi", "tmpfs", unix.MS_RDONLY, ""); err != nil {
			if err = unix.Mount("tmpfs", "/proc/fs", "tmpfs", unix.MS_RDONLY, ""); err != nil {
				fmt.Println("mask /proc:", err)
				return 9
			}
		}
		env := []string{"PATH=" + os.Getenv("PATH")}
		status, err := userns.Enter(context.Background(), userns.Entry{How: userns.OneID, Args: []string{"test", "one id", args[0]}, Env: env, Stdout: os.Stdout, Stderr: os.Stderr})
		out, _ := exec.Command("pgrep", "-P", fmt.Sprint(os.Getpid()), "sleep").Output()
		fmt.Println("entered", status, err, "left", string(out) != "")
		return 0
	}
}

// A namespace with one id needs no helper program, and has no other id.
func TestOneID(t *testing.T) {
	out, status := usernstest.EnterAs(t, userns.OneID, "one id", t.TempDir())
	want := "<nil> <nil> uid 0 pid 1 ids 0 1 chown chown " // and the path
	if !strings.HasPrefix(out, want) || !strings.Contains(out, "invalid argument tmpfs <nil>") || status != 0 {
		t.Errorf("status %d, %q, want %q", status, out, want)
	}
}

// If /proc is masked, the inner program has the outer one's process ids, and leaves no
// processes.
func TestOneIDWithMaskedProc(t *testing.T) {
	out, _ := usernstest.EnterAs(t, userns.OneID, "masked", t.TempDir())
	if !strings.Contains(out, "ids 0 1 chown") || strings.Contains(out, "pid 1 ") || !strings.Contains(out, "tmpfs <nil>") {
		t.Errorf("%q", out)
	}
	if !strings.Contains(out, "entered 0 <nil> left false") {
		t.Errorf("how it ended: %q", out)
	}
}

// The variable for that case has no effect outside such a namespace.
func TestSharedVariableOutside(t *testing.T) {
	cmd := exec.CommandContext(t.Context(), "/proc/self/exe", "one id")
	cmd.Env = append(os.Environ(), "_CAROSBUILD_NAMESPACE=shared")
	for range 2 {
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		defer w.Close()
		cmd.ExtraFiles = append(cmd.ExtraFiles, r)
	}
	out, err := cmd.CombinedOutput()
	if cmd.ProcessState.Sys().(syscall.WaitStatus).ExitStatus() != 125 || !strings.Contains(string(out), "unset it") {
		t.Errorf("%v: %q", err, out)
	}
}
