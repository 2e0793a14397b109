// SPDX-License-Identifier: MPL-2.0

package progress

import (
	"time"
)

// EventKind names what an Event reports.
type EventKind string

// The kinds of events. Stage is set for all that are about one.
const (
	Begun        EventKind = "build-started" // Text is the build id; Stages, and Steps of all of them
	StageStarted EventKind = "stage-started"
	StageDone    EventKind = "stage-done"   // Seconds is set
	StepCached   EventKind = "step-cached"  // Step, Text
	StepStarted  EventKind = "step-started" // Step, Text
	StepOutput   EventKind = "step-output"  // Text is one line, as printed by the command
	StepDone     EventKind = "step-done"    // Step, Seconds
	Progress     EventKind = "progress"     // Text says of what; Done and Total, in bytes or Unit
	ProgressEnd  EventKind = "progress-end" // Text as in Progress: no more of it will come
	Note         EventKind = "note"         // Text, for a person
	Estimate     EventKind = "estimate"     // Seconds are left, until ExpectedEnd
)

// Event is one thing that happened in a build.
type Event struct {
	Time    time.Time `json:"time"`
	Kind    EventKind `json:"kind"`
	Stage   string    `json:"stage,omitempty"`
	Step    int       `json:"step,omitempty"`  // 1-based
	Steps   int       `json:"steps,omitempty"` // of the stage
	Stages  int       `json:"stages,omitempty"`
	Key     string    `json:"key,omitempty"`
	Text    string    `json:"text,omitempty"`
	Done    int64     `json:"done,omitempty"`
	Total   int64     `json:"total,omitempty"`
	Unit    string    `json:"unit,omitempty"` // of Done and Total; "" for bytes
	Seconds float64   `json:"seconds,omitempty"`
	Good    bool      `json:"-"` // a note that is not about a problem

	ExpectedEnd time.Time `json:"expected_end,omitzero"` // of the build
	AtLeast     bool      `json:"at_least,omitempty"`    // it takes longer: of some of what is left, nothing is known
}
