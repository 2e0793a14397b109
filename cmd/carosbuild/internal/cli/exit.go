// SPDX-License-Identifier: MPL-2.0

package cli

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
)

// Exit statuses. ExitNotRead is what a shell has for a program that SIGPIPE has killed.
const (
	ExitFailed      = 1
	ExitUsage       = 2
	ExitDeclaration = 3
	ExitHost        = 4
	ExitNetwork     = 5
	ExitUnread      = 6
	ExitInterrupted = 130
	ExitNotRead     = 141
)

// ErrNotRead says that nobody reads the program's output any more.
var ErrNotRead = errors.New("nobody reads the output")

// Exit ends the program with a status and without a message: all was said, by the
// program inside the namespaces or by the command.
type Exit int

func (e Exit) Error() string { return fmt.Sprintf("exit status %d", int(e)) }

// usageError is a mistake on the command line.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

// Usage makes an error a mistake on the command line.
func Usage(err error) error { return usageError{err} }

// Usagef is a mistake on the command line.
func Usagef(format string, args ...any) error { return Usage(fmt.Errorf(format, args...)) }

// withoutHelp is an error of usage that the help does not help with.
type withoutHelp struct{ error }

func (e withoutHelp) Unwrap() error { return e.error }

// Misnamed makes an error a mistake on the command line that the help does not help
// with: something that is named does not exist.
func Misnamed(err error) error { return Usage(withoutHelp{err}) }

// lockError is about a lock file that is missing or cannot be used.
type lockError struct{ error }

func (e lockError) Unwrap() error { return e.error }

// LockError makes an error one about a lock file that is missing or cannot be used.
func LockError(err error) error { return lockError{err} }

// Exactly is cobra.ExactArgs as a mistake of usage.
func Exactly(n int) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) != n {
			return Usagef("usage: %s", strings.TrimSuffix(cmd.UseLine(), " [flags]"))
		}
		return nil
	}
}

// saidError is an error that was shown.
type saidError struct{ error }

func (e saidError) Unwrap() error { return e.error }

// Said makes an error one of which only the exit status is left to be told.
func Said(err error) error { return saidError{err} }
