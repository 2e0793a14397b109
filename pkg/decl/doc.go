// SPDX-License-Identifier: MPL-2.0

// Package decl reads declarations: XML files that say which stages there are, what
// each of them is based on and does, and which disks are made from them.
//
// Parse turns one or more files into a Declaration, which is plain data, and into
// Findings: all mistakes in all files, each with file, line, column and the quoted
// source. It looks nothing up on the host, runs nothing and resolves nothing;
// whether a source file of an ADD exists, for instance, is for the caller to find
// out. The table in grammar.go says which elements may stand where;
// docs/declaration.md describes the language.
//
// Declarations of redomat mean the same as in redomat, except where its behaviour
// was a fault.
package decl
