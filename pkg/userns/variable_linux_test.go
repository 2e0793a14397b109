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

// Whoever sets the variable by hand does not get a process that changes the
// mounts of its caller.
func TestNamespaceVariableOfSomebodyElse(t *testing.T) {
	for _, value := range []string{"wait", "in", "x"} {
		cmd := exec.CommandContext(t.Context(), "/proc/self/exe", "ids", t.TempDir())
		cmd.Env = append(os.Environ(), stageVar+"="+value)
		if os.Getuid() == 0 { // should it fail, the mounts that it changes are not the host's
			cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: unix.CLONE_NEWNS}
		}
		out, err := cmd.CombinedOutput()
		if cmd.ProcessState.ExitCode() != 125 || !strings.Contains(string(out), "unset it") {
			t.Errorf("%s=%s: %v, %q", stageVar, value, err, out)
		}
	}
}
