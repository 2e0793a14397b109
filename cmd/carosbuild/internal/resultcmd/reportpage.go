// SPDX-License-Identifier: MPL-2.0

package resultcmd

import (
	"bytes"
	"context"
	"errors"
	"io"
	"time"

	"github.com/carosio/carosbuild/pkg/history"
	"github.com/carosio/carosbuild/pkg/release"
	"github.com/carosio/carosbuild/pkg/report"
	"github.com/carosio/carosbuild/pkg/results"
	"github.com/carosio/carosbuild/pkg/serve"
)

// page is the report of a build as a page of the server.
func (b *build) page(ctx context.Context) ([]byte, error) {
	in, err := b.reportInput(ctx)
	if err != nil {
		return nil, err
	}
	if in.Logs, err = report.Logs(b.logDir, b.report, serve.LogAddress); err != nil {
		return nil, err
	}
	in.Foot = "Served read-only by carosbuild."
	in.Files = []report.File{{Name: "This build", Href: "./", Text: "disks, artifacts, logs"}, {Name: history.ReportName, Href: "./" + history.ReportName, Text: "this page for programs"}}
	var out bytes.Buffer
	err = report.Write(&out, in)
	return out.Bytes(), err
}

// reportInput is what the page of a build is made of, but for its logs. Of a build whose
// stages are not opened, it is what reports alone say.
func (b *build) reportInput(ctx context.Context) (report.Input, error) {
	in := report.Input{Build: b.report, Zone: time.Local, Foot: "Made by carosbuild."}
	root, err := b.measure(ctx, &in)
	if err != nil {
		return in, err
	}
	former := report.Former(b.report, b.reports)
	if former == nil {
		return in, nil
	}
	in.Changes = &report.Changes{Since: former.BuildID, Layers: report.CompareLayers(b.report, former)}
	if b.open == nil {
		in.Changes.Why = "Packages are compared for the build that is served alone: carosbuild serve " + b.id
		return in, nil
	}
	in.Changes.Packages, in.Changes.Why = b.packageChanges(ctx, root, former)
	return in, ctx.Err()
}

// measure fills in what takes the space of the build's stage, or why that is not known. The
// root is that of the stage, nil where there is none.
func (b *build) measure(ctx context.Context, in *report.Input) (*results.Root, error) {
	switch {
	case b.open == nil:
		return nil, nil
	case b.stage == "":
		in.NoSpace = "No stage of this build is stored any more, or none is its result: what takes the space is not known."
		return nil, nil
	}
	root, err := b.root(ctx, b.stage)
	if err != nil {
		return nil, err
	}
	if in.Space, err = report.Measure(ctx, root, b.stage); err != nil {
		if ctx.Err() != nil {
			return nil, err
		}
		in.NoSpace = err.Error()
	}
	return root, nil
}

// packageChanges compares the packages of the build's stage with those that it had in the
// build before, or says why that cannot be told.
func (b *build) packageChanges(ctx context.Context, root *results.Root, former *history.Report) (changes *release.Changes, why string) {
	const unknown = "Which packages there were cannot be told: "
	if root == nil {
		return nil, unknown + "no stage of this build is stored any more, or none is its result."
	}
	if b.openFormer == nil {
		return nil, unknown + "the build before is not in the store."
	}
	old, end, err := b.openFormer(ctx, former.BuildID, b.stage)
	if err != nil {
		return nil, unknown + "stage " + b.stage + " of the build before is not stored any more."
	}
	defer func() {
		if err := errors.Join(old.Close(), end()); err != nil && why == "" {
			changes, why = nil, unknown+err.Error()
		}
	}()
	var lists [2][]release.Package
	for i, r := range []*results.Root{root, old} {
		if lists[i], err = release.FindPackages("", func(name string) (io.ReadCloser, error) { return r.Open(name) }); err != nil {
			return nil, unknown + err.Error()
		}
	}
	return release.ComparePackages(lists[0], lists[1]), ""
}
