// SPDX-License-Identifier: MPL-2.0

package plan

import (
	"fmt"

	"github.com/carosio/carosbuild/pkg/decl"
)

// StepError says which step of which stage failed, and how.
type StepError struct {
	Stage  string
	Span   decl.Span
	Kind   string
	Text   string
	Status int      // of the command; 0 when it did not come to that
	Tail   []string // last lines of its output
	Log    string   // file that has all of it
	Logs   string   // directory with the logs of failed tasks, or ""
	Image  string   // name of the image with the half-done stage, or ""
	Err    error    // nil when Status says it all
}

func (e *StepError) Error() string {
	msg := "stage " + e.Stage + ": " + e.Kind + " " + e.Text
	if e.Err != nil {
		return msg + ": " + e.Err.Error()
	}
	return fmt.Sprintf("%s: exit status %d", msg, e.Status)
}

func (e *StepError) Unwrap() error { return e.Err }
