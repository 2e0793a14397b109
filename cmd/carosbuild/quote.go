// SPDX-License-Identifier: MPL-2.0

package main

import "strings"

// quoteArg is an argument as a shell reads it, for a command that a message proposes.
func quoteArg(s string) string {
	if s != "" && strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._-+:=@%") == "" {
		return s
	}
	return "'" + strings.ReplaceAll(printable(s), "'", `'\''`) + "'"
}

// quoteArgs are several arguments.
func quoteArgs(all []string) string {
	var out []string
	for _, s := range all {
		out = append(out, quoteArg(s))
	}
	return strings.Join(out, " ")
}
