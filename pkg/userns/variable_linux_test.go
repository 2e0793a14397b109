// SPDX-License-Identifier: MPL-2.0

package userns

import (
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// A variable set by hand does not make a process change its caller's mounts.
func TestNamespaceVariableOfSomebodyElse(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for _, value := range []string{stageWait, stageIn, stagePlain, "x"} {
		// The pipes exist, as if make or a shell had opened some.
		cmd := exec.CommandContext(t.Context(), "sh", "-c", `"$0" ids "$1" 5>/dev/null; exit $?`, self, t.TempDir())
		for range 2 {
			r, w, err := os.Pipe()
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			defer w.Close()
			cmd.ExtraFiles = append(cmd.ExtraFiles, r)
		}
		cmd.Env = append(os.Environ(), stageVar+"="+value)
		if os.Getuid() == 0 { // if it fails, it does not change the host's mounts
			cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: unix.CLONE_NEWNS}
		}
		out, err := cmd.CombinedOutput()
		if cmd.ProcessState.ExitCode() != 125 || !strings.Contains(string(out), "unset it") {
			t.Errorf("%s=%s: %v, %q", stageVar, value, err, out)
		}
	}
}

// Variables that a caller has set do not reach the inner program.
func TestCallersVariables(t *testing.T) {
	set := []string{stageVar + "=x", trialVar + "=1", handoverVar + "=1", "_CONTAINERS_USERNS_CONFIGURED=", "_CONTAINERS_ROOTLESS_UID=0", "_CONTAINERS_ROOTLESS_GID=0"}
	e := Entry{How: OneID, Account: Account{UID: 4211, GID: 4212}, Env: set}
	cmd, err := e.command(t.Context(), os.Stdin, os.Stdout)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, kv := range cmd.Environ() { // the last one of a name counts
		name, value, _ := strings.Cut(kv, "=")
		got[name] = value
	}
	want := map[string]string{
		stageVar: stageIn, trialVar: "", handoverVar: "", "_CONTAINERS_USERNS_CONFIGURED": "done", "_CONTAINERS_ROOTLESS_UID": "4211", "_CONTAINERS_ROOTLESS_GID": "4212",
	}
	for name, value := range want {
		if v, ok := got[name]; !ok || v != value {
			t.Errorf("%s is %q, want %q", name, v, value)
		}
	}
}
