// SPDX-License-Identifier: MPL-2.0

package stepflags

import (
	"strconv"

	"github.com/spf13/pflag"

	"github.com/carosio/carosbuild/cmd/carosbuild/internal/cli"
	"github.com/carosio/carosbuild/pkg/bytesize"
	"github.com/carosio/carosbuild/pkg/sandbox"
)

// Limits are what one step may take, as the caller has written it; 0 is without a
// limit.
type Limits struct {
	memory, pids, output string
}

// Add defines the flags that a shell has, too.
func (o *Limits) Add(c *cli.App, f *pflag.FlagSet) {
	f.StringVar(&o.memory, "step-memory", c.Env("STEP_MEMORY", "0"), "memory that the processes of a step may use together, such as 4G; 0 is no limit")
	f.StringVar(&o.pids, "step-pids", c.Env("STEP_PIDS", strconv.Itoa(sandbox.DefaultPIDs)), "processes and threads that a step may have at a time; 0 is no limit")
}

// AddOutput defines the flag for the output, which has a log.
func (o *Limits) AddOutput(c *cli.App, f *pflag.FlagSet) {
	f.StringVar(&o.output, "step-output", c.Env("STEP_OUTPUT", "1G"), "how much of a step's output is kept and shown, besides its end; 0 is no limit")
}

// Read is what the options say. Output is the limit of the output in bytes.
func (o *Limits) Read() (l sandbox.Limits, output int64, err error) {
	if l.Memory, err = bytesize.Parse(o.memory); err != nil {
		return l, 0, cli.Usagef("--step-memory: %v", err)
	}
	if l.PIDs, err = strconv.ParseInt(o.pids, 10, 64); err != nil || l.PIDs < 0 {
		return l, 0, cli.Usagef("--step-pids %q: want a number of processes, 0 for no limit", o.pids)
	}
	if o.output == "" {
		return l, 0, nil
	}
	if output, err = bytesize.Parse(o.output); err != nil {
		return l, 0, cli.Usagef("--step-output: %v", err)
	}
	return l, output, nil
}
