// SPDX-License-Identifier: MPL-2.0

// Package buildcmd has the commands that read a declaration and do what it says, or
// tell what that would be: build, plan, why, lock, checkout and kas; and shell, which
// runs a command as a step is run. Steps run on Linux only.
package buildcmd
