// This Source Code Form is subject to the terms of the Mozilla Public
// License, v. 2.0. If a copy of the MPL was not distributed with this
// file, You can obtain one at https://mozilla.org/MPL/2.0/.

// Package build turns a declaration into stage images and disks.
//
// NewPlan is a pure function from a declaration and what was looked up for it
// (Inputs) to a Plan: stages in order, with a key for each step. An Engine
// runs a Plan: a step whose key is on record is not run. The package is the
// only one that knows the others; it prints nothing, it reports Events.
package build
