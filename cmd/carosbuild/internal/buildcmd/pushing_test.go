// SPDX-License-Identifier: MPL-2.0

package buildcmd

import (
	"strings"
	"testing"
	"time"

	"github.com/carosio/carosbuild/cmd/carosbuild/internal/cli"
	"github.com/carosio/carosbuild/pkg/plan"
)

func TestPushTargets(t *testing.T) {
	names := pushNames("020-App", "b1", time.Date(2026, 11, 30, 23, 30, 0, 0, time.FixedZone("", -3600)))
	for template, want := range map[string][2]string{ // for a finished and for a half-done stage; "" for an error
		"r.example.org/a":               {"r.example.org/a", "r.example.org/a:b1-020-App-failure"},
		"r.example.org/a:{stage}":       {"r.example.org/a:020-App", "r.example.org/a:020-App"},
		"r.example.org/a/{build}:x":     {"r.example.org/a/b1:x", "r.example.org/a/b1:x"},
		"r.example.org/{stage}:x":       {"", ""}, // capital letters
		"oci:d-{date}":                  {"oci:d-2026-12-01", "oci:d-2026-12-01:b1-020-App-failure"},
		"oci:d:{stage}-{build}":         {"oci:d:020-App-b1", "oci:d:020-App-b1"},
		"docker://r.example.org:1/a":    {"docker://r.example.org:1/a", "docker://r.example.org:1/a:b1-020-App-failure"},
		"a/b":                           {"", ""},
		"r.example.org/a:{tag}":         {"", ""},
		"docker-archive:f":              {"", ""},
		"r.example.org/a:{stage}/{date": {"", ""},
	} {
		for i, fill := range []func(string, map[string]string) (string, error){pushTarget, failedTarget} {
			got, err := fill(template, names)
			if want[i] == "" && err == nil || want[i] != "" && (got != want[i] || err != nil) {
				t.Errorf("%s: got %q, %v, want %q", template, got, err, want[i])
			}
		}
	}
	long := pushNames(strings.Repeat("s", 128), "b", time.Time{})
	if got, err := failedTarget("r.example.org/a", long); err != nil || !strings.HasSuffix(got, "s-failure") {
		t.Errorf("a long tag: %q, %v", got, err)
	}
}

func TestCheckPushes(t *testing.T) {
	j := &buildJob{buildID: "b1", plan: &plan.Plan{Targets: []string{"one", "two"}, Stages: []plan.Job{{ID: "base"}, {ID: "one"}, {ID: "two"}}}}
	for _, tt := range []struct {
		end  endOptions
		want string
	}{
		{endOptions{push: []string{"oci:a:{stage}", "oci:b:{stage}"}, pushFailed: []string{"oci:c", "oci:d:x"}}, ""},
		{endOptions{push: []string{"oci:a:x"}}, "stages one and two get the same name"},
		{endOptions{push: []string{"x"}}, "--push: "},
		{endOptions{pushFailed: []string{"r.example.org/x:{n}"}}, "--push-failed: {n} is not known"},
	} {
		c := &buildCommand{endOptions: tt.end}
		c.wanted = j.plan.Targets
		err := c.checkPushes(j)
		if (tt.want == "") != (err == nil) || err != nil && !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%+v: %v, want %q", tt.end, err, tt.want)
		}
	}
}

func TestCheckEnd(t *testing.T) {
	for want, c := range map[string]*buildCommand{
		"":                         {endOptions: endOptions{pushFailed: []string{"oci:x"}}},
		"want shell":               {endOptions: endOptions{onFailure: "bash"}},
		"needs a terminal":         {endOptions: endOptions{onFailure: openShell}},
		"keeps no half-done stage": {endOptions: endOptions{pushFailed: []string{"oci:x"}}, runOptions: runOptions{forget: true}},
	} {
		c.planner.App = &cli.App{}
		if err := c.checkEnd(); (want == "") != (err == nil) || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}
