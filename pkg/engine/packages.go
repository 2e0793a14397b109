// SPDX-License-Identifier: MPL-2.0

package engine

import (
	"strconv"
	"strings"

	"github.com/carosio/carosbuild/pkg/lazyregexp"
	"github.com/carosio/carosbuild/pkg/progress"
)

// aptPlan is the line in which apt says how many packages it installs.
var aptPlan = lazyregexp.New(`^([0-9]+) upgraded, ([0-9]+) newly installed, `)

// What apt says before a download, and for each file.
var (
	aptNeed = lazyregexp.New(`^Need to get ([0-9.,]+) ([kMG]?)B(?:/[0-9.,]+ [kMG]?B)? of archives`)
	aptGet  = lazyregexp.New(`^Get:[0-9]+ .* \[([0-9.,]+) ([kMG]?)B\]$`)
)

// aptSize converts a size that apt prints to bytes: its units are powers of a thousand.
func aptSize(number, unit string) int64 {
	n, err := strconv.ParseFloat(strings.ReplaceAll(number, ",", ""), 64)
	if err != nil {
		return 0
	}
	return int64(n * map[string]float64{"": 1, "k": 1e3, "M": 1e6, "G": 1e9}[unit])
}

// packageWatch reads what dpkg and apt print, and reports how many packages are
// unpacked and configured.
type packageWatch struct {
	event func(progress.Event)
	stage string
	total int64 // packages; 0 until apt has said
	done  map[string]int64

	need, got int64 // bytes of a download; need is 0 outside of one
}

// What dpkg says for each package, and what is shown.
var packageWords = []struct{ line, text string }{
	{"Unpacking ", "unpack packages"},
	{"Setting up ", "configure packages"},
}

// line is called for every line of output, one after the other.
func (w *packageWatch) line(s string) {
	if m := aptPlan().FindStringSubmatch(s); m != nil {
		w.end()
		up, _ := strconv.ParseInt(m[1], 10, 32)
		fresh, _ := strconv.ParseInt(m[2], 10, 32)
		w.total, w.done = up+fresh, nil
		return
	}
	w.download(s)
	for _, word := range packageWords {
		if w.total == 0 || !strings.HasPrefix(s, word.line) {
			continue
		}
		if w.done == nil {
			w.done = map[string]int64{}
		}
		if n := w.done[word.text] + 1; n <= w.total {
			w.done[word.text] = n
			w.event(progress.Event{Kind: progress.Progress, Stage: w.stage, Text: word.text, Done: n, Total: w.total, Unit: "packages"})
		}
	}
}

const downloadText = "download packages"

// download follows apt's downloads. Apt rounds each size, so their sum is only close
// to the total.
func (w *packageWatch) download(s string) {
	if m := aptNeed().FindStringSubmatch(s); m != nil {
		w.need, w.got = aptSize(m[1], m[2]), 0
	} else if m := aptGet().FindStringSubmatch(s); m != nil && w.need > 0 {
		w.got = min(w.got+aptSize(m[1], m[2]), w.need-1)
		w.event(progress.Event{Kind: progress.Progress, Stage: w.stage, Text: downloadText, Done: w.got, Total: w.need})
	} else if strings.HasPrefix(s, "Fetched ") {
		w.endDownload(w.need)
	}
}

func (w *packageWatch) endDownload(done int64) {
	if w.got > 0 {
		kind := progress.ProgressEnd
		if done == w.need {
			kind = progress.Progress // complete, which ends it, too
		}
		w.event(progress.Event{Kind: kind, Stage: w.stage, Text: downloadText, Done: done, Total: w.need})
	}
	w.need, w.got = 0, 0
}

// end ends the progress display.
func (w *packageWatch) end() {
	w.endDownload(w.got)
	for _, word := range packageWords {
		if n, begun := w.done[word.text]; begun && n < w.total {
			w.event(progress.Event{Kind: progress.ProgressEnd, Stage: w.stage, Text: word.text, Done: n, Total: w.total, Unit: "packages"})
		}
	}
	w.done = nil
}
