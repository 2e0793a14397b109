// SPDX-License-Identifier: MPL-2.0

// Package solve determines which packages to install: a Universe is what the indices
// of some archives offer, and a Solver chooses from it the requested packages and all
// their dependencies, as apt would. It knows nothing about mirrors and files.
package solve
