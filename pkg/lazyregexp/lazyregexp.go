// SPDX-License-Identifier: MPL-2.0

// Package lazyregexp has regular expressions that are compiled when they are first used:
// the program has some eighty, of which each of its processes needs few.
package lazyregexp

import (
	"regexp"
	"sync"
)

// New returns what compiles an expression the first time it is called, and returns the
// same from then on, from any goroutine. An expression that is not valid panics then.
func New(expression string) func() *regexp.Regexp {
	return sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(expression) })
}
