// SPDX-License-Identifier: MPL-2.0

package cli

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"strings"

	"github.com/carosio/carosbuild/pkg/doctor"
	"github.com/carosio/carosbuild/pkg/remedy"
	"github.com/carosio/carosbuild/pkg/runc"
	"github.com/carosio/carosbuild/pkg/rung"
)

// ProbeFlag is the hidden option with which "carosbuild doctor" starts itself.
const ProbeFlag = "probe"

// Diagnosis is what was found out about this host.
type Diagnosis struct {
	Process   doctor.Process
	Abilities doctor.Abilities
}

// Diagnose tries what this host permits. store is a directory on the store's file
// system, or "" if the account cannot write there.
func (a *App) Diagnose(ctx context.Context, store string) (Diagnosis, error) {
	acc := a.Account()
	d := Diagnosis{Process: doctor.ReadProcess("/", a.Getenv, acc.UID, acc.GID)}
	elsewhere := store == ""
	if elsewhere {
		var err error
		if store, err = makeScratch(a.Getenv); err != nil {
			return d, err
		}
		defer os.RemoveAll(store)
	}
	dir, err := os.MkdirTemp(store, ".carosbuild-doctor-")
	if err != nil {
		return d, err
	}
	defer os.RemoveAll(dir)
	_, home := a.Dirs()
	path, _ := runc.Look(a.Runtime) // its absence is one of the findings
	e := doctor.Examination{
		Process: d.Process, Self: []string{"/proc/self/exe", "doctor", "--" + ProbeFlag},
		Home: firstLine(home), Scratch: dir, Elsewhere: elsewhere, Runtime: path, Asked: a.Runtime != "", LookPath: lookTool,
	}
	d.Abilities = e.Examine(ctx)
	return d, nil
}

// firstLine is an error without its remedy.
func firstLine(err error) error {
	if host, ok := errors.AsType[*remedy.Error](err); ok {
		return errors.New(strings.SplitN((&remedy.Error{Tried: host.Tried, Err: host.Err}).Error(), "\n", 2)[0])
	}
	return err
}

// lookTool finds a program, also in directories that are not in an ordinary user's
// PATH.
func lookTool(name string) (string, error) {
	path, err := exec.LookPath(name)
	for _, dir := range []string{"/usr/sbin/", "/sbin/"} {
		if err != nil {
			path, err = exec.LookPath(dir + name)
		}
	}
	return path, err
}

// prescribe puts all required changes into one error, which says that the host
// refuses to run steps.
func (a *App) prescribe(ctx context.Context, refused error) error {
	host, ok := errors.AsType[*remedy.Error](refused)
	if !ok {
		return refused
	}
	store := ""
	if a.StoreDir != nil {
		store = a.StoreDir()
	}
	d, err := a.Diagnose(ctx, store)
	if err != nil {
		return refused
	}
	names := rung.All().Names()
	if a.Sandbox != "" {
		names = []string{a.Sandbox}
	}
	advice, ok := doctor.Next(doctor.Plan(names, func(string) bool { return false }, &d.Process, d.Abilities), names, "")
	if !ok {
		return refused
	}
	cure := "sandbox " + advice.Rung + " needs all of these changes (carosbuild doctor tells more):\n    " + strings.Join(advice.Lines(), "\n    ")
	return &remedy.Error{Tried: host.Tried, Err: host.Err, Cure: cure}
}
