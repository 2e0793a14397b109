// SPDX-License-Identifier: MPL-2.0

// Package rung has the ladder of ways in which steps can run on a host.
//
// A Rung is one way, as a value: how the program is started again for it, what runs commands
// there and how their layers are kept. Table has all rungs, the best one first. Table.Start
// tries them and starts the program in the first one that works; the inner program learns
// from Chosen which rung that is and why not a better one. A new rung is a package of its own
// and a line in the table.
//
// What all rungs have in common is elsewhere: the store of layers, and the files that a step
// finds in its root.
package rung
