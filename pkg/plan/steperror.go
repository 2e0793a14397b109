// SPDX-License-Identifier: MPL-2.0

package plan

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/carosio/carosbuild/pkg/decl/finding"
)

// StepError says which step of which stage failed, and how. JSON keeps everything,
// but of Err only the text.
type StepError struct {
	Stage  string       `json:"stage"`
	Step   int          `json:"step,omitempty"` // its number, from 1; 0 where that is not known
	Span   finding.Span `json:"at,omitzero"`
	Kind   string       `json:"kind"`
	Text   string       `json:"text"`
	Status int          `json:"status,omitempty"` // exit status of the command; 0 if it was not run
	Tail   []string     `json:"tail,omitzero"`    // last lines of its output
	Log    string       `json:"log,omitempty"`    // file with the whole output
	Logs   string       `json:"logs,omitempty"`   // directory with the logs of failed tasks, or ""
	Image  string       `json:"image,omitempty"`  // name of the image with the half-done stage, or ""
	Pushed string       `json:"pushed,omitempty"` // reference of the same image where others find it, or ""
	Err    error        `json:"-"`                // nil when Status says it all
}

func (e *StepError) Error() string {
	msg := "stage " + e.Stage + ": " + e.Kind + " " + e.Text
	if e.Err != nil {
		return msg + ": " + e.Err.Error()
	}
	return fmt.Sprintf("%s: exit status %d", msg, e.Status)
}

func (e *StepError) Unwrap() error { return e.Err }

// plainError is a StepError without its methods.
type plainError StepError

// told is a StepError in JSON.
type told struct {
	*plainError
	Cause string `json:"error,omitempty"`
}

// MarshalJSON implements json.Marshaler.
func (e *StepError) MarshalJSON() ([]byte, error) {
	t := told{plainError: (*plainError)(e)}
	if e.Err != nil {
		t.Cause = e.Err.Error()
	}
	return json.Marshal(t)
}

// UnmarshalJSON implements json.Unmarshaler.
func (e *StepError) UnmarshalJSON(data []byte) error {
	*e = StepError{}
	t := told{plainError: (*plainError)(e)}
	if err := json.Unmarshal(data, &t); err != nil {
		return err
	}
	if t.Cause != "" {
		e.Err = errors.New(t.Cause)
	}
	return nil
}
