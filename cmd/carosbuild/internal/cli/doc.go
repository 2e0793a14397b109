// SPDX-License-Identifier: MPL-2.0

// Package cli is what the commands of carosbuild share: the streams, the
// environment, the options that every command has, the directories of the user, how
// a command ends, and, on Linux, the way into the namespaces. It does not know the
// commands.
package cli
