// SPDX-License-Identifier: MPL-2.0

package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"go.podman.io/storage/pkg/reexec"

	"github.com/carosio/carosbuild/cmd/carosbuild/internal/render"
	"github.com/carosio/carosbuild/pkg/chroot"
	"github.com/carosio/carosbuild/pkg/runc"
	"github.com/carosio/carosbuild/pkg/rung"
	"github.com/carosio/carosbuild/pkg/supervisor"
	"github.com/carosio/carosbuild/pkg/terminal"
	"github.com/carosio/carosbuild/pkg/userns"
	"github.com/carosio/carosbuild/pkg/vm/guest"
)

// Inside runs the whole command again inside the namespaces if it is not there yet.
// The caller continues only if it returns true.
func (a *App) Inside(cmd *cobra.Command, foreground bool) (bool, error) {
	if userns.Inside(a.Getenv) {
		return true, nil
	}
	return false, a.enterNamespaces(cmd, foreground, nil)
}

// EnterWith runs the command again inside the namespaces and passes it data.
func (a *App) EnterWith(cmd *cobra.Command, data []byte) error {
	return a.enterNamespaces(cmd, false, data)
}

// EnterForeground is EnterWith for a command that may read from the terminal.
func (a *App) EnterForeground(cmd *cobra.Command, data []byte) error {
	return a.enterNamespaces(cmd, true, data)
}

func (a *App) enterNamespaces(cmd *cobra.Command, foreground bool, data []byte) error {
	// The signals that this program gets end the inner one.
	h := a.Host()
	status, err := rung.All().Start(context.WithoutCancel(cmd.Context()), a.Sandbox, h, userns.Entry{
		Account: h.Account, Args: os.Args, Env: append(os.Environ(), fmt.Sprintf("%s=%d", callerVar, os.Getpid())),
		Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr, Foreground: foreground, Handover: data,
	})
	if err == nil && status != 0 {
		err = Exit(status)
	}
	return a.prescribe(context.WithoutCancel(cmd.Context()), err)
}

// callerVar tells the program inside the namespaces, which has other process ids,
// the process that the user has started.
const callerVar = "_CAROSBUILD_CALLER"

// Caller is the process that the user has started, or 0 if unknown.
func (a *App) Caller() int {
	n, _ := strconv.Atoi(a.Getenv(callerVar))
	return n
}

// Holder describes this process to others that wait for exclusive use of the store.
func (a *App) Holder() string {
	what := "carosbuild"
	if len(os.Args) > 1 && !strings.HasPrefix(os.Args[1], "-") { // not more: there may be a password
		what += " " + terminal.Cut(render.OneLine(os.Args[1]), render.PlainText)
	}
	return fmt.Sprintf("%s, process %d", what, a.Caller())
}

// Become makes this process part of a sandbox if it was started for that; then it does
// not return.
func Become() {
	guest.Main(os.Args)
	if status, inner := supervisor.Inner(os.Getenv); inner {
		os.Exit(status)
	}
	chroot.Init()
	runc.Init()
}

// Arrive completes the start of a program inside the namespaces, and returns its
// caller's umask.
func Arrive() (umask int, err error) {
	if !userns.Inside(os.Getenv) {
		return 0, nil
	}
	return userns.Settle(os.Args, os.Environ())
}

// Told reports whether the reason for Arrive's failure has been reported to the process
// outside.
func Told(err error) bool { return errors.Is(err, userns.ErrTold) }

// RunsItself does the work for which containers/storage starts this program again,
// and reports whether the program was started for that.
func RunsItself() bool { return reexec.Init() }

// private makes a directory of the caller inaccessible to other accounts. It creates
// the directory if it does not exist.
func private(dir string) error { return userns.Private(dir) }

// home is the caller's home directory.
func (a *App) home() string { return a.Getenv("HOME") }
