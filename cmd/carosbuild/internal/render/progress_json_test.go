// SPDX-License-Identifier: MPL-2.0

package render

import (
	"bytes"
	"encoding/json"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/carosio/carosbuild/pkg/progress"
)

// readEvents are the lines of --progress=json.
func readEvents(t *testing.T, out *bytes.Buffer) []Event {
	t.Helper()
	var all []Event
	for line := range strings.Lines(out.String()) {
		var e Event
		if err := json.Unmarshal([]byte(line), &e); err != nil || e.Kind == "" {
			t.Fatalf("%q is not an event: %v", line, err)
		}
		all = append(all, e)
	}
	return all
}

// TestJSONProgressRate has two disks report a thousand times a second, for ten
// seconds.
func TestJSONProgressRate(t *testing.T) {
	var out bytes.Buffer
	d := newJSON(&out)
	now := time.Unix(100, 0)
	d.now = func() time.Time { return now }
	for i := range int64(10000) {
		now = now.Add(time.Millisecond)
		for _, name := range []string{"write a", "write b"} {
			d.Show(progress.Event{Time: now, Kind: progress.Progress, Text: name, Done: i + 1, Total: 10000})
		}
	}
	d.Show(progress.Event{Kind: progress.ProgressEnd, Text: "write a"}) // it has ended
	n, ends := map[string]int{}, 0
	for _, e := range readEvents(t, &out) {
		switch e.Kind {
		case progress.Progress:
			n[e.Text]++
		case progress.ProgressEnd:
			ends++
			if e.Done != e.Total {
				t.Errorf("the end of %s is at %d of %d", e.Text, e.Done, e.Total)
			}
		}
	}
	if n["write a"]+n["write b"] > 101 || n["write a"] < 40 || n["write b"] < 40 || ends != 2 {
		t.Errorf("lines of progress in ten seconds: %v, want 50 each; %d ends, want 2", n, ends)
	}
}

// TestProgressPage compares docs/progress.md with the kinds and fields that there are.
func TestProgressPage(t *testing.T) {
	page, err := os.ReadFile("../../../../docs/progress.md")
	if err != nil {
		t.Fatal(err)
	}
	words := []string{
		string(progress.Begun), string(progress.StageStarted), string(progress.StageDone), string(progress.StepCached), string(progress.StepStarted), string(progress.StepOutput),
		string(progress.StepDone), string(progress.Progress), string(progress.ProgressEnd), string(progress.Note),
		string(ImageEvent), string(OutputEvent), string(ErrorEvent), string(EndEvent),
	}
	for _, of := range []reflect.Type{reflect.TypeFor[progress.Event](), reflect.TypeFor[Event]()} {
		for i := range of.NumField() {
			if name, _, _ := strings.Cut(of.Field(i).Tag.Get("json"), ","); name != "" && name != "-" {
				words = append(words, name)
			}
		}
	}
	for _, w := range words {
		if !strings.Contains(string(page), "`"+w+"`") {
			t.Errorf("docs/progress.md does not describe `%s`", w)
		}
	}
}
