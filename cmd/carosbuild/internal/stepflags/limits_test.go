// SPDX-License-Identifier: MPL-2.0

package stepflags

import (
	"strings"
	"testing"

	"github.com/spf13/pflag"

	"github.com/carosio/carosbuild/cmd/carosbuild/internal/cli"
	"github.com/carosio/carosbuild/pkg/sandbox"
)

func TestLimitOptions(t *testing.T) {
	for _, tt := range []struct {
		env     map[string]string
		args    []string
		want    sandbox.Limits
		output  int64
		problem string
	}{
		{nil, nil, sandbox.Limits{PIDs: 32768}, sandbox.DefaultOutput, ""},
		{nil, []string{"--step-memory=4G", "--step-pids=100", "--step-output=2K"}, sandbox.Limits{Memory: 4 << 30, PIDs: 100}, 2048, ""},
		{map[string]string{"CAROSBUILD_STEP_MEMORY": "1M", "CAROSBUILD_STEP_PIDS": "7", "CAROSBUILD_STEP_OUTPUT": "5"}, []string{"--step-pids=8"}, sandbox.Limits{Memory: 1 << 20, PIDs: 8}, 5, ""},
		{nil, []string{"--step-pids=0", "--step-output=0"}, sandbox.Limits{}, 0, ""},
		{nil, []string{"--step-memory=4X"}, sandbox.Limits{}, 0, `--step-memory: size "4X"`},
		{map[string]string{"CAROSBUILD_STEP_PIDS": "-1"}, nil, sandbox.Limits{}, 0, `--step-pids "-1"`},
		{nil, []string{"--step-output=1.5G"}, sandbox.Limits{}, 0, "--step-output: size"},
	} {
		var o Limits
		f := pflag.NewFlagSet("", pflag.ContinueOnError)
		a := &cli.App{Getenv: func(name string) string { return tt.env[name] }}
		o.Add(a, f)
		o.AddOutput(a, f)
		if err := f.Parse(tt.args); err != nil {
			t.Fatal(err)
		}
		got, output, err := o.Read()
		if (err == nil) != (tt.problem == "") || err != nil && !strings.Contains(err.Error(), tt.problem) || err == nil && (got != tt.want || output != tt.output) {
			t.Errorf("%v, %v: got %+v, %d, %v", tt.env, tt.args, got, output, err)
		}
	}
}
