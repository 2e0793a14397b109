// This Source Code Form is subject to the terms of the Mozilla Public
// License, v. 2.0. If a copy of the MPL was not distributed with this
// file, You can obtain one at https://mozilla.org/MPL/2.0/.

// Package damage holds what checks of a disk find. Whether something is damage
// is for the packages that know the formats to say.
package damage

import "fmt"

// Problem is one fault: where it is, such as a path or a structure's name, and
// what is wrong with it.
type Problem struct {
	Where string `json:"where"`
	Text  string `json:"text"`
}

func (p Problem) String() string { return p.Where + ": " + p.Text }

// Max is how many problems a List keeps: whoever damages a disk on purpose can
// have one for each of its bytes.
const Max = 1000

// List collects problems. The zero List is ready for use.
type List struct {
	problems []Problem
	more     int
}

// Add adds a problem.
func (l *List) Add(where, format string, args ...any) {
	if len(l.problems) == Max {
		l.more++
		return
	}
	l.problems = append(l.problems, Problem{where, fmt.Sprintf(format, args...)})
}

// Problems are those that were added; the last one counts those that were not
// kept.
func (l *List) Problems() []Problem {
	if l.more == 0 {
		return l.problems
	}
	return append(l.problems[:Max:Max], Problem{"more", fmt.Sprintf("%d further problems", l.more)})
}

// In names the part of the disk that the problems are in.
func In(where string, problems []Problem) []Problem {
	out := make([]Problem, 0, len(problems))
	for _, p := range problems {
		out = append(out, Problem{where + ": " + p.Where, p.Text})
	}
	return out
}
