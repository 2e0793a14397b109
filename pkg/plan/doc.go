// SPDX-License-Identifier: MPL-2.0

// Package plan describes, as data, what a build would do.
//
// NewPlan is a pure function from a declaration and what was looked up for it
// (Facts) to a Plan: stages in order, with a key for each step. The key covers
// everything that can change the result of the step. The package runs nothing and
// reads nothing but its arguments.
package plan
