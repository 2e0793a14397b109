// SPDX-License-Identifier: MPL-2.0

package report

import (
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/carosio/carosbuild/pkg/history"
)

func at(sec float64) time.Time { return time.Unix(1e9, int64(sec*1e9)).UTC() }

func TestScale(t *testing.T) {
	r := &history.Report{Start: at(0), End: at(100), Stages: []history.StageReport{
		{Started: at(10), Seconds: 5, Steps: []history.StepReport{{Started: at(10), Seconds: 190}}}, // the clock was set back
	}}
	s := newScale(r)
	if s.span != 200*time.Second {
		t.Fatalf("span %s", s.span)
	}
	for _, tt := range []struct {
		start, seconds, x, w float64
	}{
		{0, 100, 0, 50},
		{100, 100, 50, 50},
		{150, 100, 75, 25},
		{-50, 10, 0, 5},
		{0, 0, 0, narrowest},
		{200, 1, 100 - narrowest, narrowest},
		{0, math.NaN(), 0, narrowest},
		{0, math.Inf(1), 0, 100},
		{0, -3, 0, narrowest},
	} {
		if b := s.bar(at(tt.start), tt.seconds); math.Abs(b.X-tt.x)+math.Abs(b.W-tt.w) > 1e-9 {
			t.Errorf("from %g for %g: at %g for %g, want %g, %g", tt.start, tt.seconds, b.X, b.W, tt.x, tt.w)
		}
	}
	if s := newScale(&history.Report{}); s.span <= 0 {
		t.Error("a report without times has no span")
	}
	old := newScale(&history.Report{Start: at(0), End: at(5), Stages: []history.StageReport{{Seconds: 3, Steps: []history.StepReport{{Seconds: 3}}}}})
	if old.span != 5*time.Second {
		t.Errorf("of an older version: %s", old.span)
	}
}

func TestTicks(t *testing.T) {
	for seconds, want := range map[float64][]string{
		0.02: {"10 ms"}, 2.1: {"1 s", "2 s"}, 64: {"30 s", "1 min"}, 300: {"1 min", "2 min", "3 min", "4 min"}, 5400: {"30 min", "1 h"},
		100000: {"6 h", "12 h", "18 h", "24 h"}, 4e7: {"365 d"},
	} {
		var got []string
		last := 0.0
		for _, tick := range (scale{span: time.Duration(seconds * 1e9)}).ticks() {
			got = append(got, tick.Text)
			if tick.X <= last || tick.X > 97 {
				t.Errorf("%g s: mark at %g", seconds, tick.X)
			}
			last = tick.X
		}
		if !cmp.Equal(got, want) {
			t.Errorf("%g s: got %q, want %q", seconds, got, want)
		}
	}
	if got := (scale{span: longest}).ticks(); len(got) > mostTicks+1 {
		t.Errorf("%d marks", len(got))
	}
}

func TestStepBars(t *testing.T) {
	s := scale{at(0), 10 * time.Second}
	for _, tt := range []struct {
		step  history.StepReport
		class string // "" for none
	}{
		{history.StepReport{Started: at(1), Status: history.Done, Cached: true}, "cached"},
		{history.StepReport{Started: at(1), Status: history.Done, Seconds: 1}, "done"},
		{history.StepReport{Started: at(1), Status: history.Failed, Seconds: 1}, "failed"},
		{history.StepReport{Started: at(1), Status: history.Interrupted, Seconds: 1}, "interrupted"},
		{history.StepReport{Started: at(1), Status: `"><script>`, Seconds: 1}, "other"},
		{history.StepReport{Status: history.Done, Seconds: 1}, ""},
		{history.StepReport{Started: at(1), Status: history.NotRun}, ""},
	} {
		if b, ok := s.stepBar(tt.step); b.Class != tt.class || ok != (tt.class != "") {
			t.Errorf("%+v: %+v %t", tt.step, b, ok)
		}
	}
}

func TestDuration(t *testing.T) {
	for s, want := range map[float64]string{0: "0 s", 0.26: "0.3 s", 9.94: "9.9 s", 9.96: "10 s", 59.4: "59 s", 59.6: "1 min 00 s", 3599.4: "59 min 59 s", 3660: "1 h 01 min"} {
		if got := Duration(s); got != want {
			t.Errorf("%g: got %q, want %q", s, got, want)
		}
	}
}
