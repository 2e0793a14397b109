// SPDX-License-Identifier: MPL-2.0

package rung

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/carosio/carosbuild/pkg/remedy"
	"github.com/carosio/carosbuild/pkg/userns"
)

// Choice is the rung that was chosen.
type Choice struct {
	Name string `json:"name"`
	// Asked says that the user asked for this rung.
	Asked bool `json:"asked,omitempty"`
	// Above are the better rungs, which do not work here.
	Above []Refusal `json:"above,omitempty"`
}

// Refusal is what keeps a rung from working here.
type Refusal struct {
	Name   string `json:"name"`
	Reason string `json:"reason"`
	Cure   string `json:"remedy,omitempty"`
}

// refusal makes a Refusal of a remedy.Error; it is false for any other error.
func refusal(name string, err error) (Refusal, bool) {
	host, ok := errors.AsType[*remedy.Error](err)
	if !ok {
		return Refusal{}, false
	}
	reason := host.Tried
	if host.Err != nil {
		reason += ": " + host.Err.Error()
	}
	return Refusal{Name: name, Reason: reason, Cure: host.Cure}, true
}

// Start runs the program again as e says, in the first rung that works here, or in the rung
// that is asked for, "" for any. It returns the result of userns.Enter. If none works, the
// error is a remedy.Error.
func (t Table) Start(ctx context.Context, asked string, h Host, e userns.Entry) (status int, err error) {
	if asked != "" {
		r, err := t.Find(asked)
		if err != nil {
			return 0, err
		}
		t = Table{r}
	}
	choice := Choice{Asked: asked != ""}
	for _, r := range t {
		choice.Name = r.Name
		status, err = r.start(ctx, choice, h, e)
		if err == nil {
			return status, nil
		}
		why, ok := refusal(r.Name, err)
		if !ok {
			return status, err
		}
		choice.Above = append(choice.Above, why)
	}
	if len(t) == 1 {
		return 0, err
	}
	return 0, none(choice.Above)
}

// start runs the program again in a rung. A remedy.Error says that it was not started.
func (r *Rung) start(ctx context.Context, c Choice, h Host, e userns.Entry) (int, error) {
	look := r.Look
	if look == nil {
		look = r.Try
	}
	if err := look(ctx, h); err != nil {
		return 0, err
	}
	data, err := json.Marshal(c)
	if err != nil {
		return 0, fmt.Errorf("pass on the choice of a sandbox: %w", err)
	}
	e.How = r.How
	e.Env = append(append([]string{}, e.Env...), choiceVar+"="+string(data))
	return userns.Enter(ctx, e)
}

// none is the error that no rung works here. The remedy is that of the best rung.
func none(all []Refusal) error {
	var lines []string
	for _, r := range all {
		lines = append(lines, r.Name+": "+r.Reason)
	}
	return &remedy.Error{Tried: "steps cannot run here; " + strings.Join(lines, "; "), Cure: all[0].Cure}
}

// choiceVar carries the choice to the inner program.
const choiceVar = "_CAROSBUILD_SANDBOX"

// Chosen returns the choice that led to this process, and its rung; false in a process that
// Start has not started.
func (t Table) Chosen(getenv func(string) string) (Choice, Rung, bool) {
	var c Choice
	if !userns.Inside(getenv) || json.Unmarshal([]byte(getenv(choiceVar)), &c) != nil {
		return Choice{}, Rung{}, false
	}
	r, err := t.Find(c.Name)
	return c, r, err == nil
}

// Line says what was chosen, its details, and why no better rung was; "" if there is nothing
// to say.
func (c *Choice) Line(r Rung, details string) string {
	if len(c.Above) == 0 && details == "" {
		return ""
	}
	parts := []string{"steps run in sandbox " + r.Name + ", " + r.Cost}
	if details != "" {
		parts = append(parts, details)
	}
	for _, a := range c.Above {
		text := "not " + a.Name + ": " + a.Reason
		if a.Cure != "" {
			text += " (remedy: " + a.Cure + ")"
		}
		parts = append(parts, text)
	}
	return strings.Join(parts, "; ")
}

// Verdict is a rung and whether it works here.
type Verdict struct {
	Name    string   `json:"name"`
	Cost    string   `json:"cost"`
	Detail  string   `json:"detail,omitempty"`
	Works   bool     `json:"works"`
	Refused *Refusal `json:"refused,omitempty"`
}

// TryAll tries every rung, for a table.
func (t Table) TryAll(ctx context.Context, h Host) ([]Verdict, error) {
	var all []Verdict
	for _, r := range t {
		v := Verdict{Name: r.Name, Cost: r.Cost, Works: true}
		if err := r.Try(ctx, h); err != nil {
			if ctx.Err() != nil {
				return nil, fmt.Errorf("try sandbox %s: %w", r.Name, err)
			}
			why, ok := refusal(r.Name, err)
			if !ok {
				why = Refusal{Name: r.Name, Reason: err.Error()}
			}
			v.Works, v.Refused = false, &why
		} else if r.Detail != nil {
			v.Detail = r.Detail(h)
		}
		all = append(all, v)
	}
	return all, nil
}
