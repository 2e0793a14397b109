// SPDX-License-Identifier: MPL-2.0

package buildcmd

import (
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
		{nil, []string{"--step-memory=4G", "--pids=100", "--output=2K"}, sandbox.Limits{Memory: 4 << 30, PIDs: 100}, 2048, ""},
		{map[string]string{"CAROSBUILD_STEP_MEMORY": "1M", "CAROSBUILD_PIDS": "7", "CAROSBUILD_OUTPUT": "5"}, []string{"--pids=8"}, sandbox.Limits{Memory: 1 << 20, PIDs: 8}, 5, ""},
		{nil, []string{"--pids=0", "--output=0"}, sandbox.Limits{}, 0, ""},
		{nil, []string{"--step-memory=4X"}, sandbox.Limits{}, 0, `--step-memory: size "4X"`},
		{map[string]string{"CAROSBUILD_PIDS": "-1"}, nil, sandbox.Limits{}, 0, `--pids "-1"`},
		{nil, []string{"--output=1.5G"}, sandbox.Limits{}, 0, "--output: size"},
	} {
		var o limitOptions
		f := pflag.NewFlagSet("", pflag.ContinueOnError)
		a := &cli.App{Getenv: func(name string) string { return tt.env[name] }}
		o.add(a, f)
		o.addOutput(a, f)
		if err := f.Parse(tt.args); err != nil {
			t.Fatal(err)
		}
		got, output, err := o.read()
		if !problem(err, tt.problem) || err == nil && (got != tt.want || output != tt.output) {
			t.Errorf("%v, %v: got %+v, %d, %v", tt.env, tt.args, got, output, err)
		}
	}
}
