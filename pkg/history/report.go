// SPDX-License-Identifier: MPL-2.0

package history

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/carosio/carosbuild/pkg/download"
	"github.com/carosio/carosbuild/pkg/freshfile"
	"github.com/carosio/carosbuild/pkg/plan"
)

// ReportName is the file of a build's report, in the directory of its logs.
const ReportName = "build.json"

// LogName is the file, beside the report, with the output of a stage.
func LogName(stage string) string { return stage + ".log" }

// ReportSchema is the version of what a report looks like. A reader takes what
// is not newer.
const ReportSchema = 1

// maxReport is more than a report of ten thousand steps has, in bytes.
const maxReport = 64 << 20

// Report is what a build did, as it is kept beside its logs. Times are UTC,
// sizes bytes, digests SHA-256 in hexadecimal digits.
type Report struct {
	Schema       int               `json:"schema"`
	Program      string            `json:"program"` // version that wrote it
	BuildID      string            `json:"build_id"`
	Status       Status            `json:"status"`
	Error        string            `json:"error,omitempty"`
	Start        time.Time         `json:"start"`
	End          time.Time         `json:"end"`
	Declarations []FileReport      `json:"declarations"`
	Targets      []string          `json:"targets"`
	Disk         string            `json:"disk,omitempty"` // id of the one that was written, "" for several: each output names its own
	Stages       []StageReport     `json:"stages"`         // each after those it needs
	Outputs      []Output          `json:"outputs,omitempty"`
	Trees        []plan.GitTree    `json:"trees,omitempty"`
	Downloads    []download.Record `json:"downloads,omitempty"` // what the program fetched, not what steps did
	Artifacts    []Artifact        `json:"artifacts,omitempty"` // as declared
	Feeds        []Artifact        `json:"feeds,omitempty"`     // as declared; Name is empty
	Failed       *FailedStep       `json:"failed,omitempty"`
	Activities   []Activity        `json:"activities,omitempty"` // downloads and the writing of disks
}

// Status says how far a build, a stage, a step or what an image holds has come.
type Status string

// The statuses.
const (
	Done        Status = "done"
	Failed      Status = "failed" // an image: as it was when a step failed
	Interrupted Status = "interrupted"
	NotRun      Status = "not run"
	Start       Status = "start"   // an image: as it was before the stage's own steps
	Skipped     Status = "skipped" // a step: it failed and counts as done; an image: based on such a step
)

// FileReport is a declaration file as it was read.
type FileReport struct {
	Name   string `json:"name"`
	SHA256 string `json:"sha256"`
}

// StageReport is one stage of a build.
type StageReport struct {
	ID      string       `json:"id"`
	Key     string       `json:"key"`             // of its last step
	Image   string       `json:"image,omitempty"` // id in the store
	Status  Status       `json:"status"`
	Started time.Time    `json:"started,omitzero"`
	Seconds float64      `json:"seconds"`
	Size    int64        `json:"size"`          // of all its layers, those of its parent included
	Log     string       `json:"log,omitempty"` // file name beside the report
	Steps   []StepReport `json:"steps"`
}

// StepReport is one step of a stage.
type StepReport struct {
	Kind    string    `json:"kind"`
	Text    string    `json:"text"`
	Status  Status    `json:"status"`
	Cached  bool      `json:"cached"` // it was on record and did not run
	Started time.Time `json:"started,omitzero"`
	Seconds float64   `json:"seconds"`
	Size    int64     `json:"size"`             // of the layers that it added
	Layers  []string  `json:"layers,omitempty"` // digests of those, uncompressed, the lowest first
}

// Activity is a download, or the writing of disks, that was shown while it went on.
type Activity struct {
	Stage   string    `json:"stage,omitempty"` // "" for one of no stage
	Text    string    `json:"text"`
	Started time.Time `json:"started"`
	Seconds float64   `json:"seconds"`
	Done    int64     `json:"done"`           // of Unit
	Unit    string    `json:"unit,omitempty"` // "" for bytes
}

// Output is a disk that was written. Size, time and inode tell whether the
// file is still that one.
type Output struct {
	Path    string    `json:"path"` // absolute, links resolved
	Format  string    `json:"format"`
	Disk    string    `json:"disk,omitempty"` // id
	Size    int64     `json:"size"`
	ModTime time.Time `json:"mtime"`
	Inode   uint64    `json:"inode"`
	SHA256  string    `json:"sha256,omitempty"` // "" until somebody has asked for it
}

// Artifact is a declared <artifact>, or a <feed>.
type Artifact struct {
	Stage string `json:"stage,omitempty"` // "" is the one that is asked for
	Path  string `json:"path"`            // in the stage; a pattern
	Name  string `json:"name,omitempty"`
}

// FailedStep is the step that ended a build.
type FailedStep struct {
	Stage  string   `json:"stage"`
	Step   int      `json:"step"` // 1-based
	Kind   string   `json:"kind"`
	Text   string   `json:"text"`
	Status int      `json:"status,omitempty"` // exit status of the command
	Error  string   `json:"error,omitempty"`
	Tail   []string `json:"tail,omitempty"`   // last lines of output
	Image  string   `json:"image,omitempty"`  // BUILDID:STAGE of the half-done stage
	Pushed string   `json:"pushed,omitempty"` // where others find it
}

// Skip notes that a step failed and counts as done.
func (r *Report) Skip(stage string, step int) {
	for _, s := range r.Stages {
		if s.ID == stage && step > 0 && step <= len(s.Steps) {
			s.Steps[step-1].Status, s.Steps[step-1].Cached = Skipped, false
		}
	}
}

// FirstSkipped is the first step, by its number from 1, that failed and counts as done.
func (r *Report) FirstSkipped() (stage string, step int, ok bool) {
	for _, s := range r.Stages {
		for i := range s.Steps {
			if s.Steps[i].Status == Skipped {
				return s.ID, i + 1, true
			}
		}
	}
	return "", 0, false
}

// WriteReport writes a report into a directory, which it makes; a reader sees
// the old one or the new one as a whole.
func WriteReport(dir string, r *Report) error {
	data, err := json.MarshalIndent(r, "", " ")
	if err != nil {
		return fmt.Errorf("write report: %w", err)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("write report: %w", err)
	}
	if err := freshfile.Replace(filepath.Join(dir, ReportName), append(data, '\n'), 0o600); err != nil {
		return fmt.Errorf("write report: %w", err)
	}
	return nil
}

// planName is the file of a build's plan, beside its report.
const planName = "plan.json"

// WritePlan keeps the plan of a build in the directory of its logs, without passwords
// and without what only explains keys.
func WritePlan(dir string, p *plan.Plan) error {
	p = p.Redacted()
	for i := range p.Stages {
		for k := range p.Stages[i].Steps {
			p.Stages[i].Steps[k].Ingredients = nil
		}
	}
	data, err := json.Marshal(p)
	if err == nil {
		err = os.MkdirAll(dir, 0o700)
	}
	if err == nil {
		err = freshfile.Write(filepath.Join(dir, planName), data, false)
	}
	if err != nil {
		return fmt.Errorf("write the plan of a build: %w", err)
	}
	return nil
}

// ReadPlan reads the plan in a directory of logs. It is fs.ErrNotExist where a
// build has left none.
func ReadPlan(dir string) (*plan.Plan, error) {
	data, err := readLimited(filepath.Join(dir, planName))
	if err != nil {
		return nil, fmt.Errorf("read the plan of a build: %w", err)
	}
	p := &plan.Plan{}
	if err := json.Unmarshal(data, p); err != nil {
		return nil, fmt.Errorf("read the plan of a build %s: %w", dir, err)
	}
	if err := p.Check(); err != nil {
		return nil, fmt.Errorf("read the plan of a build %s: %w", dir, err)
	}
	return p, nil
}

// ReadReport reads the report in a directory of logs. It is fs.ErrNotExist
// where a build has left none.
func ReadReport(dir string) (*Report, error) {
	name := filepath.Join(dir, ReportName)
	data, err := readLimited(name)
	if err != nil {
		return nil, fmt.Errorf("read report: %w", err)
	}
	var r Report
	if err := json.Unmarshal(data, &r); err != nil {
		return nil, fmt.Errorf("read report %s: %w", name, err)
	}
	if r.Schema < 1 || r.Schema > ReportSchema {
		return nil, fmt.Errorf("read report %s: schema %d, but this program reads schemas up to %d", name, r.Schema, ReportSchema)
	}
	return &r, nil
}

// readLimited reads a report or a plan, which are not larger than maxReport.
func readLimited(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxReport+1))
	if err == nil && len(data) > maxReport {
		err = fmt.Errorf("%s has more than %d MiB", name, maxReport>>20)
	}
	return data, err
}
