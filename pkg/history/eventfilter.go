// SPDX-License-Identifier: MPL-2.0

package history

import (
	"time"

	"github.com/carosio/carosbuild/pkg/progress"
)

// EventFilter chooses among the events of a build, which it has to see in their order. Its
// zero value takes all.
type EventFilter struct {
	Stage string    // "" for all, and for what is about none
	Step  int       // of the stage, 1-based; 0 for all
	Since time.Time // the zero time for all

	step int // of the stage, that runs
}

// Takes reports whether an event is among those that are chosen.
func (f *EventFilter) Takes(e *KeptEvent) bool {
	if f.Stage != "" && e.Stage != f.Stage {
		return false
	}
	switch {
	case e.Kind == progress.StepStarted || e.Kind == progress.StepCached:
		f.step = e.Step
	case e.Kind == progress.StageDone || e.Kind == progress.StageStarted:
		f.step = 0
	}
	if f.Step != 0 && f.step != f.Step {
		return false
	}
	return !e.Time.Before(f.Since)
}
