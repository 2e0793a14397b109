// SPDX-License-Identifier: MPL-2.0

package render

import "strings"

// QuoteArg is an argument as a shell reads it, for a command that a message proposes.
func QuoteArg(s string) string {
	if s != "" && strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._-+:=@%") == "" {
		return s
	}
	return "'" + strings.ReplaceAll(Printable(s), "'", `'\''`) + "'"
}

// QuoteArgs are several arguments.
func QuoteArgs(all []string) string {
	var out []string
	for _, s := range all {
		out = append(out, QuoteArg(s))
	}
	return strings.Join(out, " ")
}
