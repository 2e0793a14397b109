// SPDX-License-Identifier: MPL-2.0

package cli

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
)

// Exit statuses. ExitNotRead is a shell's exit status for a program killed by SIGPIPE.
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

// ErrNotRead says that the reader of the program's output has gone.
var ErrNotRead = errors.New("nobody reads the output")

// Exit ends the program with a status and without a message: the program inside the
// namespaces or the command has printed everything.
type Exit int

func (e Exit) Error() string { return fmt.Sprintf("exit status %d", int(e)) }

// usageError is a mistake on the command line.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

// Usage makes an error a mistake on the command line.
func Usage(err error) error { return usageError{err} }

// Usagef is a mistake on the command line.
func Usagef(format string, args ...any) error { return Usage(fmt.Errorf(format, args...)) }

// withoutHelp is a usage error for which the help is of no use.
type withoutHelp struct{ error }

func (e withoutHelp) Unwrap() error { return e.error }

// Misnamed turns an error into a mistake on the command line for which the help is
// of no use: a name does not exist.
func Misnamed(err error) error { return Usage(withoutHelp{err}) }

// lockError is about a lock file that is missing or not usable.
type lockError struct{ error }

func (e lockError) Unwrap() error { return e.error }

// LockError marks an error as one about a lock file that is missing or not usable.
func LockError(err error) error { return lockError{err} }

// Exactly is cobra.ExactArgs that returns a usage error.
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
