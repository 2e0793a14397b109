// SPDX-License-Identifier: MPL-2.0

package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
)

// Exit statuses.
const (
	exitFailed      = 1
	exitUsage       = 2
	exitDeclaration = 3
	exitHost        = 4
	exitNetwork     = 5
	exitUnread      = 6
	exitInterrupted = 130
)

// innerExit is the exit status of the program inside the namespaces.
type innerExit int

func (e innerExit) Error() string { return fmt.Sprintf("exit status %d", int(e)) }

// usageError is a mistake on the command line.
type usageError struct{ error }

func usagef(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

func (e usageError) Unwrap() error { return e.error }

// withoutHelp is an error of usage that the help does not help with.
type withoutHelp struct{ error }

func (e withoutHelp) Unwrap() error { return e.error }

// exactly is cobra.ExactArgs as a mistake of usage.
func exactly(n int) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) != n {
			return usagef("usage: %s", strings.TrimSuffix(cmd.UseLine(), " [flags]"))
		}
		return nil
	}
}

// lockError is about a lock file that is missing or cannot be used.
type lockError struct{ error }

func (e lockError) Unwrap() error { return e.error }
