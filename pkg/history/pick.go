// SPDX-License-Identifier: MPL-2.0

package history

import (
	"fmt"
	"slices"
	"strings"

	"github.com/carosio/carosbuild/pkg/decl"
	"github.com/carosio/carosbuild/pkg/plan"
	"github.com/carosio/carosbuild/pkg/words"
)

// Latest stands for the newest build where a build id is expected.
const Latest = "latest"

// Picker finds the stored stage that a person means. Its fields are only read.
type Picker struct {
	Stages []StoredStage                // that may be meant, the newest build first
	Info   func(build string) BuildInfo // what is known of a build
	Owner  string                       // whose builds a name without a build id may mean
	Failed bool                         // of a build that failed, the half-done stage may be meant
}

// Picked is the stage that was meant.
type Picked struct {
	StoredStage
	Named bool // the stage was named, not only its build
}

// NoStageError says that nothing stored has the name.
type NoStageError struct {
	Name string
	Hint string // "" or what there is instead, with the blank before it
}

func (e *NoStageError) Error() string { return "no stage " + e.Name + " is stored" + e.Hint }

// ManyStagesError says that a build has several stages, none of which is the one
// that its id alone stands for.
type ManyStagesError struct {
	BuildID string
	Missing string // the stage that the id alone would mean, "" where several might be
	Stages  []string
}

func (e *ManyStagesError) Error() string {
	names := make([]string, len(e.Stages))
	for i, s := range e.Stages {
		names[i] = e.BuildID + ":" + s
	}
	list := "name one of its stages: " + strings.Join(names, ", ")
	if len(names) == 0 {
		list = "none of its stages was finished"
	}
	if e.Missing != "" {
		return fmt.Sprintf("build %s has no finished stage %s: %s", e.BuildID, e.Missing, list)
	}
	return fmt.Sprintf("build %s has several stages that could be meant: %s", e.BuildID, list)
}

// Pick finds the stage that a name means:
//
//	BUILDID:STAGE  that one
//	BUILDID        the stage of its declared disk; without a disk the only stage that no other needs
//	latest         the same of Owner's newest build
//	latest:STAGE   the newest build of Owner that has the stage
//	STAGE          likewise
//
// The error is a NoStageError or a ManyStagesError.
func (p Picker) Pick(name string) (Picked, error) {
	id, stage, tagged := strings.Cut(name, ":")
	of := p.of(id)
	switch {
	case tagged && len(of) > 0:
		if s, ok := find1(of, stage); ok {
			return Picked{s, true}, nil
		}
		return Picked{}, &NoStageError{name, hintStage(stage, of)}
	case !tagged && len(of) > 0:
		s, err := p.main(id, of)
		return Picked{s, false}, err
	case name == Latest:
		own := p.own()
		if len(own) == 0 {
			return Picked{}, &NoStageError{Name: name}
		}
		s, err := p.main(own[0].BuildID, p.of(own[0].BuildID))
		return Picked{s, false}, err
	case id == Latest && tagged:
		id = stage
	case tagged:
		return Picked{}, &NoStageError{Name: name}
	}
	own := p.own()
	if s, ok := find1(own, id); ok {
		return Picked{s, true}, nil
	}
	return Picked{}, &NoStageError{name, hintStage(id, own)}
}

// of are the stages of one build.
func (p Picker) of(id string) []StoredStage {
	var out []StoredStage
	for _, s := range p.Stages {
		if s.BuildID == id {
			out = append(out, s)
		}
	}
	return out
}

// own are those of the caller, and of builds that are not recorded.
func (p Picker) own() []StoredStage {
	return slices.DeleteFunc(slices.Clone(p.Stages), func(s StoredStage) bool { return s.Owner != "" && s.Owner != p.Owner })
}

func find1(stages []StoredStage, stage string) (StoredStage, bool) {
	i := slices.IndexFunc(stages, func(s StoredStage) bool { return s.Stage == stage })
	if i < 0 {
		return StoredStage{}, false
	}
	return stages[i], true
}

// main is the stage that a build's id alone stands for.
func (p Picker) main(id string, of []StoredStage) (StoredStage, error) {
	var done, failed []StoredStage
	for _, s := range of {
		switch s.Status {
		case Done:
			done = append(done, s)
		case Failed:
			failed = append(failed, s)
		}
	}
	e := &ManyStagesError{BuildID: id}
	for _, s := range done {
		e.Stages = append(e.Stages, s.Stage)
	}
	e.Missing = p.Info(id).Main()
	if s, ok := find1(done, e.Missing); ok {
		return s, nil
	}
	switch {
	case p.Failed && len(failed) == 1:
		return failed[0], nil
	case e.Missing == "" && len(done) == 1:
		return done[0], nil
	}
	return StoredStage{}, e
}

// Main is the stage of the build's only disk, or of all its disks; else the only
// leaf; else "".
func (i BuildInfo) Main() string {
	for _, stages := range [][]string{i.DiskStages, i.Leaves} {
		if len(stages) == 1 {
			return stages[0]
		}
	}
	return ""
}

func hintStage(stage string, among []StoredStage) string {
	var ids []string
	for _, s := range among {
		if s.Status != Start && !slices.Contains(ids, s.Stage) {
			ids = append(ids, s.Stage)
		}
	}
	if len(ids) == 0 {
		return ""
	}
	if hint := words.DidYouMean(stage, ids); hint != "" {
		return " (" + hint + ")"
	}
	return " (there are: " + decl.Few(ids) + ")"
}

// Note fills in what a build's id stands for: the stages of the disks that are
// written, else of declared ones where these stages are what is built, and the
// stages that no other of the plan needs. The stages that GRUB's core images come
// from count for neither.
func (i *BuildInfo) Note(d *decl.Declaration, written []*decl.Disk, p *plan.Plan) {
	i.Targets = p.Targets
	i.DiskStages, i.Leaves = nil, nil
	of := written
	if len(of) == 0 {
		of = d.Disks
	}
	for _, k := range of {
		if slices.Contains(p.Targets, k.Stage) && !slices.Contains(i.DiskStages, k.Stage) {
			i.DiskStages = append(i.DiskStages, k.Stage)
		}
	}
	i.Leaves = p.LeavesWithout(func(stage string) bool {
		return slices.ContainsFunc(d.Disks, func(k *decl.Disk) bool { return plan.BIOSStageID(k) == stage })
	})
}
