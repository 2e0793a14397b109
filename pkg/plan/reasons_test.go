// SPDX-License-Identifier: MPL-2.0

package plan

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/carosio/carosbuild/pkg/source/files"
)

// step is a step with a key and what the key covers, as pairs of name and value.
func step(kind, text, key string, named ...string) Step {
	s := Step{Kind: kind, Text: text, Key: key}
	for i := 0; i < len(named); i += 2 {
		s.Ingredients = append(s.Ingredients, Ingredient{Name: named[i], Value: named[i+1]})
	}
	return s
}

// A step that runs again has a reason in words, also if the past was read from a
// file.
func TestWhy(t *testing.T) {
	long := strings.Repeat("x", longest+1)
	digest := strings.Repeat("ab", 32)
	for name, tt := range map[string]struct {
		then, now Step
		want      string
	}{
		"same":          {step("RUN", "a", "1"), step("RUN", "a", "1"), "its result is not stored: the step failed or was removed"},
		"kind":          {step("RUN", "a", "1"), step("ENV", "a", "2"), `it replaces RUN "a" since build b1`},
		"kind and long": {step("RUN", long, "1"), step("ENV", "a", "2"), "it replaces RUN ... since build b1"},
		"before":        {step("RUN", "a", "1", "command", "a"), step("RUN", "a", "2", "command", "a"), "what it is based on changed since build b1"},
		"value":         {step("RUN", "a", "1", "network", "none"), step("RUN", "a", "2", "network", "host"), `network was "none" since build b1`},
		"new":           {step("RUN", "a", "1"), step("RUN", "a", "2", "network", "none"), "network is new since build b1"},
		"gone":          {step("RUN", "a", "1", "network", "none"), step("RUN", "a", "2"), `network was "none" since build b1`},
		"gone file":     {step("ADD", "f", "1", "file f", digest), step("ADD", "f", "2"), "file f is gone since build b1"},
		"named by it":   {step("RUN", "a", "1", "package vim", "vim"), step("RUN", "a", "2"), "package vim is gone since build b1"},
		"digest":        {step("FROM", "a", "1", "image a", "sha256:"+digest), step("FROM", "a", "2", "image a", "sha256:cd"), "image a changed since build b1"},
		"long":          {step("RUN", "a", "1", "command", long), step("RUN", "a", "2", "command", "a"), "command changed since build b1"},
		"end of it":     {step("RUN", "a", "1", "command", strings.Repeat("y", 70)), step("RUN", "a", "2", "command", "a"), `command was "` + strings.Repeat("y", 60) + `"... since build b1`},
		"not printable": {step("RUN", "a", "1", "caches", "\x00"), step("RUN", "a", "2", "caches", "\x01"), "caches changed since build b1"},
		"many": {
			step("RUN", "a", "1"), step("RUN", "a", "2", "a", "1", "b", "2", "c", "3", "d", "4", "e", "5"),
			"a is new, b is new, c is new, and 2 more since build b1",
		},
	} {
		t.Run(name, func(t *testing.T) {
			past := stored(t, PastOf(&Job{Steps: []Step{tt.then}}, "b1"))
			if got := past.Why(&Job{Steps: []Step{tt.now}}, 0); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
	past := PastOf(&Job{}, "b1")
	if got, want := past.Why(&Job{Steps: []Step{step("RUN", "a", "1")}}, 0), "it is new since build b1"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// stored is a past as it is read back from a file.
func stored(t *testing.T, p Past) Past {
	t.Helper()
	data, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	var out Past
	if err := json.Unmarshal(data, &out); err != nil {
		t.Fatal(err)
	}
	return out
}

// If an added directory changes, the changed files are named.
func TestWhyOfFiles(t *testing.T) {
	added := func(value string, all ...files.AddedFile) Job {
		return Job{Steps: []Step{{Kind: "ADD", Key: value, Ingredients: []Ingredient{{Name: "file d/", Value: value, Files: all}}}}}
	}
	then := added("1", files.AddedFile{Path: ".", Mode: "40755"}, files.AddedFile{Path: "a", Mode: "100644", Sum: "1"},
		files.AddedFile{Path: "b", Mode: "100644", Sum: "1"}, files.AddedFile{Path: "c", Mode: "100644", Sum: "1"})
	now := added("2", files.AddedFile{Path: ".", Mode: "40700"}, files.AddedFile{Path: "a", Mode: "100600", Sum: "1"},
		files.AddedFile{Path: "b", Mode: "100644", Sum: "2"}, files.AddedFile{Path: "d", Mode: "100644", Sum: "1"})
	past := stored(t, PastOf(&then, "b1"))
	got := differences(past.Steps[0].Ingredients, now.Steps[0].Ingredients)
	want := []string{"mode of d/ was 755 and is 700", "mode of d/a was 644 and is 600", "file d/b changed", "file d/d is new", "file d/c is gone"}
	if diff := cmp.Diff(got, want); diff != "" {
		t.Errorf("(-got +want):\n%s", diff)
	}
	many := added("3", make([]files.AddedFile, mostFiles+1)...)
	past = PastOf(&many, "b1")
	if got, want := past.Why(&now, 0), "file d/ was \"3\" since build b1"; got != want {
		t.Errorf("of more files than are remembered: %q, want %q", got, want)
	}
}
