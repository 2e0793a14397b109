// SPDX-License-Identifier: MPL-2.0

package history

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/carosio/carosbuild/pkg/key"
	"github.com/carosio/carosbuild/pkg/sealed"
)

// How many durations of a step are remembered, and of how many steps of a declaration.
const (
	mostDurations = 5
	mostTimes     = 5000
)

// Times are how long the steps of a declaration took when they ran last, and the writing
// of its disks. It is not part of a step's name what the step was made from: one whose
// inputs have changed takes about as long as before.
type Times struct {
	Steps []StepTimes `json:"steps"`
}

// StepTimes are how long a step took, in seconds, the newest last.
type StepTimes struct {
	Stage   string    `json:"stage"` // "" for a disk
	Number  int       `json:"number"`
	Kind    string    `json:"kind"`
	Text    string    `json:"text"` // or a digest of a long one
	Seconds []float64 `json:"seconds"`
}

// diskKind stands for the writing of disks among the kinds of steps.
const diskKind = "disk"

// diskText is what the events about the writing of disks begin with.
const diskText = "write "

func (h History) timesPath(declaration string) string {
	return filepath.Join(h.Dir, key.Name("times", declaration)+".json")
}

// Times are what is remembered of a declaration, nothing where that cannot be read.
func (h History) Times(declaration string) *Times {
	t := &Times{}
	if ok, err := sealed.Read(h.timesPath(declaration), t); err != nil || !ok {
		return &Times{}
	}
	return t
}

// WriteTimes remembers how long the steps of a build took.
func (h History) WriteTimes(declaration string, r *Report) error {
	t := h.Times(declaration)
	if !t.learn(r) {
		return nil
	}
	if err := sealed.Write(h.timesPath(declaration), t); err != nil {
		return fmt.Errorf("remember how long steps took: %w", err)
	}
	return nil
}

// learn adds what a report tells, and reports whether that is anything.
func (t *Times) learn(r *Report) bool {
	learnt := false
	for _, s := range r.Stages {
		for i, p := range s.Steps {
			if p.Status == Done && !p.Cached {
				t.add(StepTimes{Stage: s.ID, Number: i + 1, Kind: p.Kind, Text: shortText(p.Text)}, p.Seconds)
				learnt = true
			}
		}
	}
	for _, a := range r.Activities {
		if a.Stage == "" && r.Status == Done && strings.HasPrefix(a.Text, diskText) {
			t.add(StepTimes{Kind: diskKind, Text: shortText(a.Text)}, a.Seconds)
			learnt = true
		}
	}
	if n := len(t.Steps) - mostTimes; n > 0 {
		t.Steps = slices.Delete(t.Steps, 0, n)
	}
	return learnt
}

// add moves a step to the end, where the newest are.
func (t *Times) add(s StepTimes, seconds float64) {
	i := slices.IndexFunc(t.Steps, func(x StepTimes) bool { return x.Stage == s.Stage && x.Kind == s.Kind && x.Text == s.Text })
	if i >= 0 {
		s.Seconds = t.Steps[i].Seconds
		t.Steps = slices.Delete(t.Steps, i, i+1)
	}
	s.Seconds = append(s.Seconds, seconds)
	s.Seconds = s.Seconds[max(len(s.Seconds)-mostDurations, 0):]
	t.Steps = append(t.Steps, s)
}

// Of is how long a step can be expected to take, in seconds: what the same one of its stage
// took, or one with the same text in another stage, or what was there in its place.
func (t *Times) Of(stage string, number int, kind, text string) (seconds float64, ok bool) {
	text = shortText(text)
	best, found := 0, []float64(nil)
	for i := range t.Steps {
		s := &t.Steps[i]
		rank := 0
		switch {
		case s.Kind != kind:
		case s.Text == text && s.Stage == stage:
			rank = 3
		case s.Text == text:
			rank = 2
		case s.Stage == stage && s.Number == number:
			rank = 1
		}
		if rank > 0 && rank >= best { // the newest of the best
			best, found = rank, s.Seconds
		}
	}
	if len(found) == 0 {
		return 0, false
	}
	return median(found), true
}

// disks is how long the disks can be expected to take that were written last; 0 where
// none was.
func (t *Times) disks() float64 {
	for i := len(t.Steps) - 1; i >= 0; i-- {
		if t.Steps[i].Kind == diskKind && len(t.Steps[i].Seconds) > 0 {
			return median(t.Steps[i].Seconds)
		}
	}
	return 0
}

func median(all []float64) float64 {
	sorted := slices.Clone(all)
	slices.Sort(sorted)
	return sorted[len(sorted)/2]
}

// longText is how long a text is remembered as it is, in bytes.
const longText = 200

// shortText is a text, or of a long one what tells it from others.
func shortText(s string) string {
	if len(s) <= longText {
		return s
	}
	return "sha256:" + key.Name("text", s)
}
