// This Source Code Form is subject to the terms of the Mozilla Public
// License, v. 2.0. If a copy of the MPL was not distributed with this
// file, You can obtain one at https://mozilla.org/MPL/2.0/.

package build

import (
	"regexp"
	"strconv"
	"strings"
)

// aptPlan is the line by which apt says how many packages it installs.
var aptPlan = regexp.MustCompile(`^([0-9]+) upgraded, ([0-9]+) newly installed, `)

// packageWatch reads what dpkg and apt print, and tells how many packages are
// unpacked and configured.
type packageWatch struct {
	event func(Event)
	stage string
	total int64 // packages; 0 while nobody has said
	done  map[string]int64
}

// What dpkg says of each package, and what is shown.
var packageWords = []struct{ line, text string }{
	{"Unpacking ", "unpack packages"},
	{"Setting up ", "configure packages"},
}

// line is called for every line of output, one after the other.
func (w *packageWatch) line(s string) {
	if m := aptPlan.FindStringSubmatch(s); m != nil {
		w.end()
		up, _ := strconv.ParseInt(m[1], 10, 32)
		fresh, _ := strconv.ParseInt(m[2], 10, 32)
		w.total, w.done = up+fresh, nil
		return
	}
	for _, word := range packageWords {
		if w.total == 0 || !strings.HasPrefix(s, word.line) {
			continue
		}
		if w.done == nil {
			w.done = map[string]int64{}
		}
		if n := w.done[word.text] + 1; n <= w.total {
			w.done[word.text] = n
			w.event(Event{Kind: Progress, Stage: w.stage, Text: word.text, Done: n, Total: w.total, Unit: "packages"})
		}
	}
}

// end says that no more progress comes.
func (w *packageWatch) end() {
	for _, word := range packageWords {
		if n, begun := w.done[word.text]; begun && n < w.total {
			w.event(Event{Kind: ProgressEnd, Stage: w.stage, Text: word.text, Done: n, Total: w.total, Unit: "packages"})
		}
	}
	w.done = nil
}
