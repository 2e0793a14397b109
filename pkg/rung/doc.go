// SPDX-License-Identifier: MPL-2.0

// Package rung has the ladder of ways in which steps can run on a host.
//
// A Rung is one of them, as a value: how the program is started again for it, what
// runs commands there and how their layers are kept. Table has all of them, the best
// one first. Table.Start starts the program in the first one that works, which is
// found out by trying, and the inner program learns by Chosen which one that is and
// what was said against those above. A new rung is a package of its own, and a line
// in the table.
//
// What all rungs have in common is not here: the store of layers, and what a step
// finds in its root.
package rung
