// SPDX-License-Identifier: MPL-2.0

// Package words finds and makes words for messages: what a misspelt word most
// likely means, and numbers of things.
package words

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Count is a number of things: "1 file", "2 files".
func Count(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return strconv.Itoa(n) + " " + thing + "s"
}

// DidYouMean is a hint such as `did you mean "x"?` for a word that is not known,
// or nothing when none is like it.
func DidYouMean(word string, known []string) string {
	if s := Suggest(word, known); s != "" {
		return fmt.Sprintf("did you mean %q?", s)
	}
	return ""
}

// maxSuggest is the longest word, in bytes, that corrections are sought for.
const maxSuggest = 64

// Suggest returns the known word that a misspelt one most likely means, or
// nothing.
func Suggest(word string, known []string) string {
	if len(word) > maxSuggest || word == "" {
		return ""
	}
	if s := begun(word, known); s != "" {
		return s
	}
	best, bestAt := "", max(1, utf8.RuneCountInString(word)/3)+1
	for _, k := range known {
		if len(k) > maxSuggest || k == "" {
			continue
		}
		if strings.EqualFold(k, word) {
			return k
		}
		if d := distance(word, k); d < bestAt {
			best, bestAt = k, d
		}
	}
	return best
}

// begun is the only known word that begins with what was written, of three letters
// and at least half of it.
func begun(word string, known []string) string {
	const least = 3
	found := ""
	for _, k := range known {
		if len(word) < least || len(k) > 2*len(word) || !strings.HasPrefix(k, word) {
			continue
		}
		if found != "" {
			return ""
		}
		found = k
	}
	return found
}

// distance counts the insertions, deletions, replacements and swaps of
// neighbours that make b of a (optimal string alignment).
func distance(a, b string) int {
	x, y := []rune(a), []rune(b)
	older, old, row := make([]int, len(y)+1), make([]int, len(y)+1), make([]int, len(y)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(x); i++ {
		older, old, row = old, row, older
		row[0] = i
		for j := 1; j <= len(y); j++ {
			cost := 1
			if x[i-1] == y[j-1] {
				cost = 0
			}
			row[j] = min(old[j]+1, row[j-1]+1, old[j-1]+cost)
			if i > 1 && j > 1 && x[i-1] == y[j-2] && x[i-2] == y[j-1] {
				row[j] = min(row[j], older[j-2]+1)
			}
		}
	}
	return row[len(y)]
}
