// SPDX-License-Identifier: MPL-2.0

// Package runc runs one command in one sandbox, as an ordinary user.
//
// Enter starts the program again inside a user, mount and PID namespace where
// it is uid 0 with the caller's subordinate ids. Inside, a Runtime executes
// steps with an OCI runtime (runc or crun) on a generated bundle. Everything
// started inside ends when the outer process ends, however it ends.
//
// The package knows nothing of stages, layers or images: a root directory is
// prepared by the caller.
//
// Only Linux has it. Other systems have the values that describe a step and its user, so that what only passes them on
// builds there.
package runc
