// SPDX-License-Identifier: MPL-2.0

package sandbox

import (
	"errors"
	"fmt"
	"io"
	"os/exec"
	"syscall"
)

// ExitStatus returns the exit status of a command that ended with an error of os/exec, 128+N
// if signal N ended it. It returns any other error.
func ExitStatus(err error) (int, error) {
	var x *exec.ExitError
	if err == nil {
		return 0, nil
	}
	if !errors.As(err, &x) {
		return 0, err
	}
	if ws, ok := x.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
		return 128 + int(ws.Signal()), nil
	}
	return x.ExitCode(), nil
}

// StartError says that the sandbox or the command in it could not be started.
type StartError struct{ Reason string }

func (e *StartError) Error() string { return "start the step: " + e.Reason }

// EndedByLimit is the result of a step that was killed for exceeding a limit, as Watch
// reported. It writes that to the step's standard error, if there is one.
func EndedByLimit(stderr io.Writer, exceeded string) (int, error) {
	if stderr != nil {
		if _, err := fmt.Fprintf(stderr, "\ncarosbuild: the step was ended: %s\n", exceeded); err != nil {
			return 0, fmt.Errorf("output of the step: %w", err)
		}
	}
	return 128 + int(syscall.SIGKILL), nil
}
