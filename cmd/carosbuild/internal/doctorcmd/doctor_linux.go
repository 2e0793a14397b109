// SPDX-License-Identifier: MPL-2.0

package doctorcmd

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"runtime"
	"slices"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"github.com/carosio/carosbuild/cmd/carosbuild/internal/cli"
	"github.com/carosio/carosbuild/cmd/carosbuild/internal/localstore"
	"github.com/carosio/carosbuild/cmd/carosbuild/internal/render"
	"github.com/carosio/carosbuild/pkg/doctor"
	"github.com/carosio/carosbuild/pkg/remedy"
	"github.com/carosio/carosbuild/pkg/rung"
	"github.com/carosio/carosbuild/pkg/userns"
)

// New is "carosbuild doctor".
func New(a *cli.App) *cobra.Command {
	c := &checkup{App: a}
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Check what builds need from this host, and print what is missing",
		Long: `Check what builds need from this host, and print what is missing and what to do about
it. Nothing is changed, and nothing is downloaded. The exit status is 4 if no build can
work here; it is 0 if only something is missing that some declarations need.

The table lists what was checked, then the sandboxes in which steps can run, the best
one first, and names the one that builds use. Below it are the changes that
would make a better one work; all of them are needed together.`,
		Args: func(cmd *cobra.Command, args []string) error {
			if c.probe != "" {
				return nil
			}
			return cli.Exactly(0)(cmd, args)
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			switch {
			case c.probe != "" && len(args) == 1:
				return doctor.Child(c.Stdout, c.probe, args[0])
			case c.profile:
				return c.printProfile()
			}
			return c.examine(cmd)
		},
	}
	f := cmd.Flags()
	f.BoolVar(&c.json, "json", false, "print what was found as JSON")
	f.BoolVar(&c.profile, "seccomp-profile", false, "print a seccomp profile that lets builds work in a container, and do nothing else")
	f.StringVar(&c.probe, cli.ProbeFlag, "", "")
	cobra.CheckErr(f.MarkHidden(cli.ProbeFlag))
	return cmd
}

// checkup is one run of doctor.
type checkup struct {
	*cli.App
	json    bool
	profile bool
	probe   string   // what a child of this command has to try
	found   findings // for json, and what the outer program has found
	failed  error    // the first missing thing without which nothing works
}

// findings are the results of doctor, as --json prints them.
type findings struct {
	Process   doctor.Process   `json:"process"`
	Abilities doctor.Abilities `json:"abilities"`
	Sandboxes []rung.Verdict   `json:"sandboxes"`
	Chosen    string           `json:"sandbox,omitempty"` // how steps run; "" if they cannot
	Advice    []doctor.Advice  `json:"advice"`            // for each sandbox that does not work
	Next      string           `json:"next,omitempty"`    // the sandbox whose advice comes first
	Checks    []check          `json:"checks"`
}

type check struct {
	State  string `json:"state"` // "ok", "missing" for what some builds need, or "FAILED"
	What   string `json:"what"`
	Detail string `json:"detail"`
}

func (c *checkup) printProfile() error {
	data, err := doctor.Profile()
	if err == nil {
		_, err = fmt.Fprintf(c.Stdout, "%s\n", data)
	}
	return err
}

// examine checks what there is outside the sandbox, and then inside.
func (c *checkup) examine(cmd *cobra.Command) error {
	if userns.Inside(c.Getenv) {
		return c.examineInside(cmd.Context())
	}
	ctx := cmd.Context()
	c.kernel()
	d, err := c.Diagnose(ctx, localstore.StoreDir(c.App))
	if err != nil {
		return err
	}
	c.found.Process, c.found.Abilities = d.Process, d.Abilities
	if c.found.Sandboxes, err = rung.All().TryAll(ctx, c.Host()); err != nil {
		return err
	}
	c.choose()
	next, ok := c.advise(&d)
	c.showAbilities()
	c.showSandboxes()
	if c.found.Chosen == "" {
		c.showAdvice(next, ok)
		return errors.Join(c.refused(next, ok), c.printJSON())
	}
	data, err := json.Marshal(c.found)
	if err != nil {
		return err
	}
	err = c.EnterWith(cmd, data)
	c.showAdvice(next, ok)
	if remedy.Is(err) {
		return errors.Join(err, c.printJSON())
	}
	return err
}

// choose notes the sandbox that builds use. Without a place for their files they use
// none.
func (c *checkup) choose() {
	if c.found.Abilities.Of(doctor.Home).State == doctor.Refused {
		return
	}
	for _, v := range c.found.Sandboxes {
		if v.Works && (c.Sandbox == "" || c.Sandbox == v.Name) {
			c.found.Chosen = v.Name
			return
		}
	}
}

// advise determines the changes that would make the other sandboxes work, and which of
// these is the next.
func (c *checkup) advise(d *cli.Diagnosis) (doctor.Advice, bool) {
	works := func(name string) bool {
		for _, v := range c.found.Sandboxes {
			if v.Name == name {
				return v.Works
			}
		}
		return false
	}
	c.found.Advice = doctor.Plan(rung.All().Names(), works, &d.Process, d.Abilities)
	next, ok := doctor.Next(c.found.Advice, c.names(), c.found.Chosen)
	c.found.Next = next.Rung
	return next, ok
}

// names are the sandboxes that builds may use, the best first.
func (c *checkup) names() []string {
	if c.Sandbox != "" {
		return []string{c.Sandbox}
	}
	return rung.All().Names()
}

// refused is the error if no sandbox works. Advice has already been printed.
func (c *checkup) refused(next doctor.Advice, ok bool) error {
	if ok {
		return &remedy.Error{Tried: "builds cannot work here", Cure: "make the changes listed above for sandbox " + next.Rung}
	}
	for _, v := range c.found.Sandboxes {
		if !v.Works && slices.Contains(c.names(), v.Name) {
			return &remedy.Error{Tried: "builds cannot work here; " + v.Name + ": " + v.Refused.Reason, Cure: v.Refused.Cure}
		}
	}
	return &remedy.Error{Tried: "builds cannot work here"}
}

// examineInside continues in the child if the outer program has found a sandbox
// that works.
func (c *checkup) examineInside(ctx context.Context) error {
	data, err := userns.ReadHandover(c.Getenv)
	if err == nil && len(data) > 0 {
		err = json.Unmarshal(data, &c.found)
	}
	if err != nil {
		return err
	}
	if _, r, ok := rung.All().Chosen(c.Getenv); ok {
		c.found.Chosen = r.Name
	}
	return errors.Join(c.run(ctx), c.printJSON())
}

func (c *checkup) kernel() {
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		c.need("kernel", "", err)
		return
	}
	c.line("ok", "kernel", render.Printable(fmt.Sprintf("%s %s, %s", unix.ByteSliceToString(u.Sysname[:]), unix.ByteSliceToString(u.Release[:]), runtime.GOARCH)))
}
