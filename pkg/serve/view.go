// SPDX-License-Identifier: MPL-2.0

package serve

import (
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"path"
	"path/filepath"
	"strings"
	"time"

	"github.com/carosio/carosbuild/pkg/bytesize"
	"github.com/carosio/carosbuild/pkg/history"
	"github.com/carosio/carosbuild/pkg/plan"
	"github.com/carosio/carosbuild/pkg/report"
	"github.com/carosio/carosbuild/pkg/results"
)

// buildPage is what the page of a build is made of.
type buildPage struct {
	site  *Site
	build *Build
	at    string

	disks, artifacts, logs []*file
}

// head is what all pages have.
type head struct {
	Title string
	Top   string // the address of the main page, relative
}

type buildView struct {
	head
	ID, Stage         string
	Status            statusView
	Declarations      []history.FileReport
	Started           timeView
	Took              string
	Program           string
	Error             string
	Failed            *failedView
	Disks, Artifacts  []fileView
	Stages            []stageView
	Steps, Cached     int
	Trees             []plan.GitTree
	Problems          []string
	Packages          int
	PackagesSize      string
	Cooker, TaskLogs  bool
	Log, Sums, Hidden bool   // Hidden: artifacts are not offered here
	Report            string // address of the report, "" for none
	Logs              []link
}

type link struct{ Href, Name, Size string }

type statusView struct{ Class, Mark, Text string }

type timeView struct{ ISO, Text string }

type failedView struct {
	Stage, Kind, Text, How, Tail, Image string
	Log                                 string
}

type fileView struct {
	link
	Digest string
	Gone   string // why it cannot be had
}

type stageView struct {
	ID, Took, Size, Log string
	Status              statusView
	Percent             float64 // of the longest stage's time
	Steps               []stepView
	Cached              int
}

type stepView struct {
	N                      int
	Kind, Text, Took, Size string
	Status                 statusView
}

func (v *buildPage) view() any {
	b, r := v.build, v.build.Report
	out := buildView{
		head: head{r.BuildID, strings.Repeat("../", strings.Count(v.at, "/")-1)},
		ID:   r.BuildID, Stage: b.Stage, Status: status(r.Status), Declarations: r.Declarations, Program: r.Program, Error: r.Error,
		Trees: r.Trees, Log: len(v.logs) > 0, Sums: len(v.disks)+len(v.artifacts) > 0, Hidden: b.Set == nil,
	}
	if b.Page != nil {
		out.Report = href(reportName)
	}
	if !r.Start.IsZero() {
		out.Started, out.Took = v.site.when(r.Start), report.Duration(r.End.Sub(r.Start).Seconds())
	}
	for _, f := range v.disks {
		out.Disks = append(out.Disks, v.file(f, "disks/"+f.name))
	}
	for _, f := range v.artifacts {
		out.Artifacts = append(out.Artifacts, v.file(f, f.name))
	}
	for _, f := range v.logs {
		out.Logs = append(out.Logs, link{href("logs/" + f.name), f.name, bytesize.Format(f.size)})
	}
	out.stages(v, r)
	out.failed(v, r.Failed)
	if b.Set != nil {
		out.Cooker, out.TaskLogs = b.Cooker != nil, b.PackageLogs != nil
		out.results(b.Set)
	}
	return out
}

// file is a row of a table of files. What is no longer there is shown, and not
// linked to.
func (v *buildPage) file(f *file, address string) fileView {
	out := fileView{link: link{href(address), f.name, bytesize.Format(f.size)}, Digest: v.site.options.Digests.Known(f.key)}
	src, err := f.open()
	switch {
	case err == nil:
		src.Close()
	case errors.Is(err, results.ErrChanged):
		out.Gone = "changed since"
	case errors.Is(err, fs.ErrNotExist):
		out.Gone = "no longer there"
	default:
		out.Gone = "cannot be read"
	}
	return out
}

func (out *buildView) stages(v *buildPage, r *history.Report) {
	longest := 0.001
	for _, s := range r.Stages {
		longest = max(longest, s.Seconds)
	}
	for _, s := range r.Stages {
		row := stageView{ID: s.ID, Took: report.Duration(s.Seconds), Size: bytesize.Format(s.Size), Status: status(s.Status), Percent: 100 * s.Seconds / longest, Log: v.log(s.ID)}
		for i, p := range s.Steps {
			step := stepView{N: i + 1, Kind: p.Kind, Text: p.Text, Took: report.Duration(p.Seconds), Size: bytesize.Format(p.Size), Status: status(p.Status)}
			if p.Cached {
				step.Took, row.Cached = "stored", row.Cached+1
			}
			if p.Size == 0 {
				step.Size = ""
			}
			row.Steps = append(row.Steps, step)
		}
		if len(s.Steps) > 0 && row.Cached == len(s.Steps) {
			row.Status.Text, row.Took, row.Percent = "stored", "–", 0
		}
		out.Steps += len(s.Steps)
		out.Cached += row.Cached
		out.Stages = append(out.Stages, row)
	}
}

// log is the address of a stage's log, or "".
func (v *buildPage) log(stage string) string {
	for _, f := range v.logs {
		if f.name == stage+".log" {
			return href("logs/" + f.name)
		}
	}
	return ""
}

func (out *buildView) failed(v *buildPage, f *history.FailedStep) {
	if f == nil {
		return
	}
	how := f.Error
	if how == "" {
		how = fmt.Sprintf("exit status %d", f.Status)
	}
	out.Failed = &failedView{f.Stage, f.Kind, f.Text, how, strings.Join(f.Tail, "\n"), f.Image, v.log(f.Stage)}
}

func (out *buildView) results(set *results.Set) {
	var sum int64
	for _, f := range set.Packages {
		sum += f.Size
	}
	out.Packages, out.PackagesSize = len(set.Packages), bytesize.Format(sum)
	for _, p := range append(append([]results.Problem(nil), set.Problems...), set.FeedProblems...) {
		text := p.Err.Error()
		var pe *fs.PathError
		if errors.As(p.Err, &pe) {
			text = pe.Err.Error()
		}
		out.Problems = append(out.Problems, p.Path+": "+text)
	}
}

// folder is a directory of packages.
type folder struct {
	name  string // packages/, packages/all
	dirs  []string
	files []results.File
}

type folderView struct {
	head
	Name  string
	Dirs  []link
	Files []link
	Up    bool
}

func (d *folder) view() any {
	depth := strings.Count(strings.TrimSuffix(d.name, "/"), "/") + 1
	out := folderView{head: head{d.name, strings.Repeat("../", depth)}, Name: d.name, Up: depth > 1}
	for _, name := range d.dirs {
		out.Dirs = append(out.Dirs, link{Href: href(name) + "/", Name: name + "/"})
	}
	for _, f := range d.files {
		base := path.Base(f.Name)
		out.Files = append(out.Files, link{href(base), base, bytesize.Format(f.Size)})
	}
	return out
}

type buildsView struct {
	head
	Builds []buildRow
}

type buildRow struct {
	link
	Declaration, Took string
	Started           timeView
	Status            statusView
	Here              bool
}

func (s *Site) buildsView(main *Build, all []*Build) any {
	out := buildsView{head: head{"Builds", "../"}}
	for _, b := range all {
		r := b.Report
		row := buildRow{link: link{href(r.BuildID) + "/", r.BuildID, ""}, Status: status(r.Status), Started: s.when(r.Start), Took: report.Duration(r.End.Sub(r.Start).Seconds())}
		if row.Here = r.BuildID == main.Report.BuildID; row.Here {
			row.Href = "../"
		}
		var names []string
		for _, d := range r.Declarations {
			names = append(names, filepath.Base(d.Name))
		}
		row.Declaration = strings.Join(names, " ")
		out.Builds = append(out.Builds, row)
	}
	return out
}

// href is a relative address. A name may look like anything, a scheme too.
func href(name string) string { return "./" + (&url.URL{Path: name}).EscapedPath() }

func (s *Site) when(t time.Time) timeView {
	return timeView{t.UTC().Format(time.RFC3339), t.In(s.options.Zone).Format("2 Jan 2006, 15:04 MST")}
}

func status(s history.Status) statusView {
	switch s {
	case history.Done:
		return statusView{"done", "✓", "done"}
	case history.Failed:
		return statusView{"failed", "✗", "failed"}
	case history.Interrupted:
		return statusView{"interrupted", "◦", "interrupted"}
	}
	return statusView{"unknown", "·", string(s)} // not run, or of no report
}
