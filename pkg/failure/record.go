// SPDX-License-Identifier: MPL-2.0

package failure

import (
	"github.com/carosio/carosbuild/pkg/decl"
	"github.com/carosio/carosbuild/pkg/plan"
	"github.com/carosio/carosbuild/pkg/source/debian"
)

// Record is how a step failed, and what surrounded its command beside what the image's
// configuration says.
type Record struct {
	Build, Stage string // ids
	Step, Steps  int    // number of the step, from 1, and how many the stage has
	Kind, Text   string // of the step, as declared
	File         string // of the declaration; no directory of the machine
	Line, Column int    // 1-based, 0 where it is not known
	Status       int    // of the command
	Log          string // the end of its output, with line ends

	World
}

// World is what surrounds the command of a step, beside environment, user, directory and
// architecture, which the image's configuration has.
type World struct {
	Network   string // host or none, "" for the usual one
	Epoch     *int64 // SOURCE_DATE_EPOCH
	Caches    []plan.Cache
	Apt       *plan.Apt // what apt is told; nil in stages that are not based on a bootstrap
	GitLayers bool      // bitbake is told the build id
	User      string    // of bitbake, "" for the stage's
}

// Limits of what is noted, and of what is read.
const (
	mostLog     = 64 << 10 // bytes
	mostText    = 16 << 10
	mostName    = 255
	mostCaches  = 64
	mostList    = 64 << 10 // bytes of caches or of what apt is told, in JSON
	mostSuites  = 16
	mostEnv     = 1000
	mostEnvSize = 512 << 10
)

// WorldOf is the world of a step of a job, as far as another machine may know it.
func WorldOf(j *plan.Job, step int) World {
	w := World{Network: j.Network, Epoch: j.Epoch, Caches: j.Caches, GitLayers: j.GitLayers}
	if j.Apt != nil {
		w.Apt = publicApt(*j.Apt)
	}
	if step < len(j.Steps) {
		if do, ok := j.Steps[step].Action.(*plan.Bitbake); ok {
			w.User = do.User
		}
	}
	return w
}

// publicApt is what apt is told, without the packages that were asked for and without
// what only that machine has. Another one says itself which mirrors it has.
func publicApt(a plan.Apt) *plan.Apt {
	b := debian.Bootstrap{Suite: a.Bootstrap.Suite, Arch: a.Bootstrap.Arch, Components: a.Bootstrap.Components, Snapshot: a.Bootstrap.Snapshot}
	if isPublic(a.Bootstrap.Mirror) {
		b.Mirror = a.Bootstrap.Mirror
	}
	if isPublic(a.Bootstrap.SecurityMirror) || a.Bootstrap.SecurityMirror == debian.NoMirror {
		b.SecurityMirror = a.Bootstrap.SecurityMirror
	}
	return &plan.Apt{Bootstrap: b, Without: a.Without}
}

// Job is a job whose only step has that world.
func (r *Record) Job() *plan.Job {
	s := plan.Step{Kind: r.Kind, Text: r.Text, Action: &plan.Run{}}
	switch r.Kind {
	case plan.BootstrapKind:
		s.Action = &plan.Bootstrap{}
	case string(decl.BitbakeKind):
		s.Action = &plan.Bitbake{User: r.User}
	}
	return &plan.Job{
		ID: r.Stage, Steps: []plan.Step{s}, Epoch: r.Epoch, Network: r.Network, Caches: r.Caches, Apt: r.Apt, GitLayers: r.GitLayers,
	}
}

// PublicHost is what a machine says of mirrors, without what nobody else may know or
// reach: passwords, and mirrors in directories.
func PublicHost(h debian.Host) debian.Host {
	h = h.Public()
	for _, m := range []*string{&h.Mirror, &h.SecurityMirror, &h.UbuntuMirror, &h.UbuntuSecurityMirror} {
		if *m != debian.NoMirror && !isPublic(*m) {
			*m = ""
		}
	}
	return h
}
