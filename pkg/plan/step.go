// SPDX-License-Identifier: MPL-2.0

package plan

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/carosio/carosbuild/pkg/decl/finding"
)

// Step is one step of a stage. Its key covers everything that can change its
// result, the steps before it included. In JSON the fields of its Action are beside
// its own.
type Step struct {
	Kind   string       `json:"kind"` // BOOTSTRAP, or the word in the declaration
	Text   string       `json:"text"`
	Key    string       `json:"key"`   // "" if Unresolved, here or in an earlier step, says why
	Layer  bool         `json:"layer"` // it may change files
	Cached bool         `json:"cached"`
	Why    string       `json:"why,omitempty"` // reason why it runs, see Past.Why
	Span   finding.Span `json:"at,omitzero"`   // in the declaration

	Unresolved string `json:"unresolved,omitempty"` // why something that it names could not be looked up

	Ingredients []Ingredient `json:"ingredients,omitzero"` // what Key covers, except for the earlier steps

	Action Action `json:"-"`
}

// fields is a Step without its methods.
type fields Step

// Title is the text by which a step is shown.
func (s *Step) Title() string { return strings.TrimSpace(s.Kind + " " + s.Text) }

// MarshalJSON implements json.Marshaler.
func (s Step) MarshalJSON() ([]byte, error) {
	own, err := json.Marshal(fields(s))
	if err != nil || s.Action == nil {
		return own, err
	}
	more, err := json.Marshal(s.Action)
	if err != nil || string(more) == "{}" {
		return own, err
	}
	return append(append(own[:len(own)-1], ','), more[1:]...), nil
}

// UnmarshalJSON implements json.Unmarshaler.
func (s *Step) UnmarshalJSON(data []byte) error {
	*s = Step{}
	if err := json.Unmarshal(data, (*fields)(s)); err != nil {
		return err
	}
	a := newAction(s.Kind)
	if a == nil {
		return fmt.Errorf("a step of kind %q is not known", s.Kind)
	}
	if err := json.Unmarshal(data, a); err != nil {
		return err
	}
	s.Action = a
	return nil
}
