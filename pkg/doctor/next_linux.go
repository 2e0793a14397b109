// SPDX-License-Identifier: MPL-2.0

package doctor

import "strings"

// Plan has, for each way of running steps in which no build works, what would make it
// work.
// rungs are the names in the order of the ladder, works says which of them do.
func Plan(rungs []string, works func(string) bool, p *Process, a Abilities) []Advice {
	var all []Advice
	for _, r := range rungs {
		if works(r) && a.Of(Home).State != Refused {
			continue
		}
		if changes, ok := Sufficient(r, p, a); ok && len(changes) > 0 {
			all = append(all, Word(r, changes, p))
		}
	}
	return all
}

// Next is the advice that lifts the next limit: that of a better way than the one that
// is taken, "" for none, with the fewest changes.
func Next(all []Advice, rungs []string, taken string) (Advice, bool) {
	var best Advice
	for _, r := range rungs {
		if r == taken {
			break
		}
		for _, a := range all {
			if a.Rung == r && (best.Rung == "" || len(a.Changes) < len(best.Changes)) {
				best = a
			}
		}
	}
	return best, best.Rung != ""
}

// joined is one line, or none.
func joined(words []string) []string {
	if len(words) == 0 {
		return nil
	}
	return []string{strings.Join(words, " ")}
}

// Lines are the advice as text, of all changes at once.
func (a *Advice) Lines() []string {
	var lines []string
	part := func(title string, of []string) {
		if len(of) == 0 {
			return
		}
		lines = append(lines, title)
		for _, l := range of {
			lines = append(lines, "  "+l)
		}
	}
	part("on the machine that the container runs on:", a.Node)
	part("in the build of the container's image, as root:", a.Image)
	part("in the pod's specification, for the container:", a.Pod)
	part("options of docker run:", joined(a.Docker))
	part("options of podman run:", joined(a.Podman))
	if a.Host != "" {
		part("as an administrator:", []string{a.Host})
	}
	return lines
}
