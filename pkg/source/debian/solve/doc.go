// SPDX-License-Identifier: MPL-2.0

// Package solve works out which packages to install: a Universe is what the indices
// of some archives offer, and a Solver chooses from it what is asked for and all that
// it needs, as apt would. It knows nothing of mirrors and files.
package solve
