// SPDX-License-Identifier: MPL-2.0

// Package decl reads declarations: XML files that say which stages there are,
// what each of them starts from and does, and which disks are made of them.
//
// Parse turns one or more files into a Declaration, which is plain data, and
// into Findings: every mistake of all files with file, line, column and the
// quoted source, not the first one only. It looks nothing up on the host, runs
// nothing and resolves nothing; that a source file of an ADD exists, for
// instance, is for the caller to find out. What may stand where is one table,
// in grammar.go; the language is described in docs/declaration.md.
//
// Declarations of redomat mean what they meant there, except where its
// behaviour was a fault.
package decl
