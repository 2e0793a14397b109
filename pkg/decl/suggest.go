// SPDX-License-Identifier: MPL-2.0

package decl

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// maxSuggest is the longest word, in bytes, that corrections are sought for.
const maxSuggest = 64

// suggest returns the known word that a misspelt one most likely means, or
// nothing.
func suggest(word string, known []string) string {
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

// didYouMean is the hint for a misspelt word, or nothing.
func didYouMean(word string, known []string) string {
	if s := suggest(word, known); s != "" {
		return fmt.Sprintf("did you mean %q?", s)
	}
	return ""
}

// DidYouMean is a hint such as `did you mean "x"?` for a word that is not known,
// or nothing when none is like it.
func DidYouMean(word string, known []string) string { return didYouMean(word, known) }

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

// quote puts a value into quotes, shortened when it is very long.
func quote(s string) string {
	const most = 60
	if utf8.RuneCountInString(s) > most {
		s = string([]rune(s)[:most]) + "..."
	}
	return `"` + escape(s) + `"`
}

// List joins words for a sentence: "a, b and c".
func List(words []string) string {
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	return strings.Join(words[:len(words)-1], ", ") + " and " + words[len(words)-1]
}

// sorted returns the keys of a map in order.
func sorted[T any](m map[string]T) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// Few lists names, and of many only the first.
func Few(names []string) string {
	const most = 10
	if len(names) > most {
		return strings.Join(names[:most], ", ") + fmt.Sprintf(" and %d others", len(names)-most)
	}
	return strings.Join(names, ", ")
}
