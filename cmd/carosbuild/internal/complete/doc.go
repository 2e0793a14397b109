// SPDX-License-Identifier: MPL-2.0

// Package complete completes words of a command line for a shell.
package complete
