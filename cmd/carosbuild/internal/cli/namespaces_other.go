// SPDX-License-Identifier: MPL-2.0

//go:build !linux

package cli

import (
	"cmp"
	"fmt"
	"os"
	"runtime"

	"github.com/spf13/cobra"

	"github.com/carosio/carosbuild/pkg/remedy"
)

// NeedsLinux is the error for functions that only Linux has.
func NeedsLinux(what string) error {
	system := map[string]string{"darwin": "macOS", "windows": "Windows"}[runtime.GOOS]
	return &remedy.Error{
		Tried: fmt.Sprintf("%s needs Linux, and this is %s", what, cmp.Or(system, runtime.GOOS)),
		Cure:  "run it in a virtual machine or a container with Linux; carosbuild --help says which commands work here",
	}
}

// Become does nothing: there are no sandboxes.
func Become() {}

// Arrive has nothing to complete: there are no namespaces.
func Arrive() (umask int, err error) { return 0, nil }

// Told is false: Arrive cannot fail.
func Told(error) bool { return false }

// SandboxFlags defines no options: no steps are run.
func (a *App) SandboxFlags(*cobra.Command) []string { return nil }

// SandboxNames is empty: no steps are run.
func SandboxNames() []string { return nil }

// CheckSandbox has nothing to check.
func (a *App) CheckSandbox() error { return nil }

// RunsItself is false: no library starts this program again.
func RunsItself() bool { return false }

// private makes a directory for the caller alone.
func private(dir string) error { return os.MkdirAll(dir, 0o700) }

// home is the caller's home directory; Windows has another variable for it.
func (a *App) home() string { return cmp.Or(a.Getenv("HOME"), a.Getenv("USERPROFILE")) }
