// SPDX-License-Identifier: MPL-2.0

// Package userns starts the program again in namespaces of its own, as an ordinary user.
//
// Enter starts it inside a user, mount and PID namespace, where it is uid 0 with the
// caller's subordinate ids; Settle completes that inside. Everything started inside
// ends when the outer process ends, however it ends.
//
// Only Linux has it.
package userns
