// This Source Code Form is subject to the terms of the Mozilla Public
// License, v. 2.0. If a copy of the MPL was not distributed with this
// file, You can obtain one at https://mozilla.org/MPL/2.0/.

package plan

import "strings"

// Complete reports whether every stage's last step is marked as cached.
func (p *Plan) Complete() bool {
	for _, s := range p.Stages {
		if n := len(s.Steps); n > 0 && !s.Steps[n-1].Cached {
			return false
		}
	}
	return true
}

// title is how a step is shown.
func (s *StepPlan) Title() string { return strings.TrimSpace(s.Kind + " " + s.Text) }
