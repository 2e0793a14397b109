// SPDX-License-Identifier: MPL-2.0

package render

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/carosio/carosbuild/cmd/carosbuild/internal/rendertest"
	"github.com/carosio/carosbuild/pkg/progress"
)

// Events are shown as text in each way of showing them.
func TestEventsPrintForeignNamesAsText(t *testing.T) {
	kinds := []progress.EventKind{
		progress.StageStarted, progress.StageDone, progress.StepCached, progress.StepStarted, progress.StepOutput,
		progress.StepDone, progress.Progress, progress.ProgressEnd, progress.Note,
	}
	for _, name := range rendertest.Names() {
		for _, kind := range kinds {
			e := progress.Event{Time: time.Unix(1, 0), Kind: kind, Stage: name, Step: 1, Steps: 2, Text: name, Unit: name, Done: 1, Total: 1}
			var out bytes.Buffer
			d := newPlain(&out)
			d.Show(e)
			e.Stage = ""
			d.Show(e)
			rendertest.CheckPrinted(t, "plain, "+string(kind), out.String())
			out.Reset()
			newJSON(&out).Show(e)
			rendertest.CheckPrinted(t, "json, "+string(kind), out.String())
			out.Reset()
			l := &live{w: &out, size: func() (int, int) { return 200, 20 }}
			l.Show(progress.Event{Time: time.Unix(1, 0), Kind: progress.StepStarted, Stage: name, Step: 1, Steps: 2, Text: name})
			e.Stage = name
			l.Show(e)
			l.draw(time.Unix(2, 0))
			rendertest.CheckPrinted(t, "live, "+string(kind), strings.ReplaceAll(out.String(), "\r\x1b[J", ""))
		}
	}
}
