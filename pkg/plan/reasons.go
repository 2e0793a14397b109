// SPDX-License-Identifier: MPL-2.0

package plan

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"unicode"

	"github.com/carosio/carosbuild/pkg/source/files"
)

// Past is a stage as it was last built.
type Past struct {
	BuildID string     `json:"build_id"`
	Steps   []pastStep `json:"steps"`
}

type pastStep struct {
	Kind        string       `json:"kind"`
	Text        string       `json:"text"`
	Key         string       `json:"key"`
	Ingredients []Ingredient `json:"ingredients"`
}

// PastOf is what is remembered about a stage that is about to be built.
func PastOf(s *Job, buildID string) Past {
	past := Past{BuildID: buildID}
	for _, step := range s.Steps {
		past.Steps = append(past.Steps, pastStep{step.Kind, short(step.Text), step.Key, shortened(step.Ingredients)})
	}
	return past
}

// longest is the largest length in bytes of a value that is remembered literally.
const longest = 200

// mostFiles is how many files of one source are remembered.
const mostFiles = 10000

// short is a text or, if that is long, its digest.
func short(s string) string {
	if len(s) <= longest {
		return s
	}
	sum := sha256.Sum256([]byte(s))
	return "sha256:" + hex.EncodeToString(sum[:])
}

func shortened(all []Ingredient) []Ingredient {
	out := make([]Ingredient, len(all))
	for i, g := range all {
		out[i] = Ingredient{Name: g.Name, Value: short(g.Value)}
		if len(g.Files) <= mostFiles {
			out[i].Files = g.Files
		}
	}
	return out
}

// NotRemembered is the reason if there is nothing to compare with.
const NotRemembered = "no build of this stage is remembered"

// Why says why a step runs although everything before it is stored.
func (past *Past) Why(s *Job, at int) string {
	since := " since build " + past.BuildID
	if at >= len(past.Steps) {
		return "it is new" + since
	}
	now, then := &s.Steps[at], &past.Steps[at]
	switch {
	case now.Key == then.Key:
		return "its result is not stored: the step failed or was removed"
	case now.Kind != then.Kind:
		return fmt.Sprintf("it replaces %s%s", strings.TrimSpace(then.Kind+" "+quoted(then.Text)), since)
	}
	changes := differences(then.Ingredients, shortened(now.Ingredients))
	if len(changes) == 0 {
		return "what it is based on changed" + since
	}
	const most = 3
	if n := len(changes) - most; n > 0 {
		changes = append(changes[:most], fmt.Sprintf("and %d more", n))
	}
	return strings.Join(changes, ", ") + since
}

// differences describes the differences in words.
func differences(then, now []Ingredient) []string {
	before, after := map[string]string{}, map[string]string{}
	files := map[string][]files.AddedFile{}
	for _, g := range then {
		before[g.Name], files[g.Name] = g.Value, g.Files
	}
	var out []string
	for _, g := range now {
		after[g.Name] = g.Value
		switch old, ok := before[g.Name]; {
		case !ok:
			out = append(out, g.Name+" is new")
		case old != g.Value && len(g.Files) > 0 && len(files[g.Name]) > 0:
			out = append(out, fileChanges(strings.TrimPrefix(g.Name, filePrefix), files[g.Name], g.Files)...)
		case old != g.Value && telling(old) && quoted(old) != "...":
			out = append(out, fmt.Sprintf("%s was %s", g.Name, quoted(old)))
		case old != g.Value:
			out = append(out, g.Name+" changed")
		}
	}
	for _, g := range then {
		switch _, ok := after[g.Name]; {
		case ok:
		case telling(g.Value) && !strings.HasSuffix(g.Name, g.Value):
			out = append(out, fmt.Sprintf("%s was %s", g.Name, quoted(g.Value)))
		default:
			out = append(out, g.Name+" is gone")
		}
	}
	return out
}

// fileChanges says which files of a source changed, and how.
func fileChanges(source string, then, now []files.AddedFile) []string {
	before, after := map[string]files.AddedFile{}, map[string]bool{}
	for _, f := range then {
		before[f.Path] = f
	}
	name := func(f files.AddedFile) string {
		if f.Path == "." {
			return source
		}
		return strings.TrimSuffix(source, "/") + "/" + f.Path
	}
	var out []string
	for _, f := range now {
		after[f.Path] = true
		switch old, ok := before[f.Path]; {
		case !ok:
			out = append(out, "file "+name(f)+" is new")
		case old.Sum != f.Sum:
			out = append(out, "file "+name(f)+" changed")
		case old.Mode != f.Mode:
			out = append(out, fmt.Sprintf("mode of %s was %s and is %s", name(f), permissions(old.Mode), permissions(f.Mode)))
		}
	}
	for _, f := range then {
		if !after[f.Path] {
			out = append(out, "file "+name(f)+" is gone")
		}
	}
	return out
}

// permissions are the last three digits of a mode.
func permissions(mode string) string { return mode[max(0, len(mode)-3):] }

// telling reports whether a value is readable for people.
func telling(s string) bool {
	hexadecimal := len(s) >= 40 && strings.Trim(strings.TrimPrefix(s, "sha256:"), "0123456789abcdef") == ""
	return !hexadecimal && strings.IndexFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }) < 0
}

// quoted is a text, shortened if it is long, or "..." if only its digest is
// remembered.
func quoted(s string) string {
	const most = 60
	if strings.HasPrefix(s, "sha256:") {
		return "..."
	}
	if r := []rune(s); len(r) > most {
		return fmt.Sprintf("%q...", string(r[:most]))
	}
	return fmt.Sprintf("%q", s)
}
