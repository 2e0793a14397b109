// SPDX-License-Identifier: MPL-2.0

// Package plan says what a build would do, as data.
//
// NewPlan is a pure function from a declaration and what was looked up for it
// (Facts) to a Plan: stages in order, with a key for each step. The key covers
// everything that can change what the step leaves. The package runs nothing and
// looks at nothing but its arguments.
package plan
