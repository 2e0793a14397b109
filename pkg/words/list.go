// SPDX-License-Identifier: MPL-2.0

package words

import "strings"

// List joins words for a sentence: "a, b and c".
func List(words []string) string {
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	return strings.Join(words[:len(words)-1], ", ") + " and " + words[len(words)-1]
}

// Few lists names, and of many only the first.
func Few(names []string) string {
	const most = 10
	if len(names) > most {
		return strings.Join(names[:most], ", ") + " and " + Count(len(names)-most, "other")
	}
	return strings.Join(names, ", ")
}
