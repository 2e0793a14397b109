// SPDX-License-Identifier: MPL-2.0

// Package damage has the results of checks of a disk. What counts as damage is up
// to the packages that know the formats.
package damage

import "fmt"

// Problem is one result of a check: its place, such as a path or a structure's
// name, and what is wrong with it, or why it was not read.
type Problem struct {
	Where  string `json:"where"`
	Text   string `json:"text"`
	Unread bool   `json:"unread,omitempty"` // not checked, and so not known to be damaged
}

func (p Problem) String() string {
	if p.Unread {
		return p.Where + ": not read: " + p.Text
	}
	return p.Where + ": " + p.Text
}

// Max is how many problems a List keeps: a maliciously damaged disk can have one
// for each of its bytes.
const Max = 1000

// List collects problems. The zero List is ready for use.
type List struct {
	problems []Problem
	more     int
	damaged  bool // there is a fault among the dropped problems
}

// Add adds a fault.
func (l *List) Add(where, format string, args ...any) {
	l.add(Problem{Where: where, Text: fmt.Sprintf(format, args...)})
}

// AddUnread adds something that is not read, and why.
func (l *List) AddUnread(where, format string, args ...any) {
	l.add(Problem{Where: where, Text: fmt.Sprintf(format, args...), Unread: true})
}

// AddError adds a read error: a fault, unless it wraps ErrUnread.
func (l *List) AddError(where string, err error) { l.add(Of(where, err)) }

func (l *List) add(p Problem) {
	if len(l.problems) == Max {
		l.more++
		l.damaged = l.damaged || !p.Unread
		return
	}
	l.problems = append(l.problems, p)
}

// Problems are those that were added; the last one counts those that were dropped.
func (l *List) Problems() []Problem {
	if l.more == 0 {
		return l.problems
	}
	return append(l.problems[:Max:Max], Problem{Where: "more", Text: fmt.Sprintf("%d further problems", l.more), Unread: !l.damaged})
}

// In prefixes problems with the part of the disk that they are in.
func In(where string, problems []Problem) []Problem {
	out := make([]Problem, 0, len(problems))
	for _, p := range problems {
		p.Where = where + ": " + p.Where
		out = append(out, p)
	}
	return out
}
