// SPDX-License-Identifier: MPL-2.0

package report

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/carosio/carosbuild/pkg/ctxio"
	"github.com/carosio/carosbuild/pkg/freshdir"
	"github.com/carosio/carosbuild/pkg/history"
	"github.com/carosio/carosbuild/pkg/results"
)

// PageName is the page's file in a directory.
const PageName = "index.html"

// Limits of logs, in bytes: on the page of each and of all, and of a copy beside it.
const (
	pageLog  = 64 << 10
	pageLogs = 2 << 20
	fileLog  = 64 << 20
)

// Logs reads the ends of the logs of a build's stages in a directory. Href is the address of
// a stage's whole log.
func Logs(dir string, r *history.Report, href func(stage string) string) ([]Log, error) {
	var out []Log
	left := int64(pageLogs)
	for _, s := range r.Stages {
		if s.Log == "" || !isName(s.ID) {
			continue
		}
		l, err := readLog(filepath.Join(dir, history.LogName(s.ID)), min(pageLog, left))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("read the log of stage %s: %w", s.ID, err)
		}
		l.Stage, l.Href = s.ID, href(s.ID)
		left -= int64(len(l.Text))
		out = append(out, l)
	}
	return out, nil
}

// isName keeps what a report says from leading out of a directory.
func isName(stage string) bool {
	return stage != "" && stage[0] != '.' && !strings.ContainsAny(stage, "/\\\x00")
}

// readLog reads the end of a log, from the beginning of a line.
func readLog(name string, most int64) (Log, error) {
	f, st, err := results.OpenFile(name)
	if err != nil {
		return Log{}, err
	}
	defer f.Close()
	from := max(st.Size()-most, 0)
	text, err := io.ReadAll(io.NewSectionReader(f, from, st.Size()-from))
	if err != nil {
		return Log{}, err
	}
	if i := bytes.IndexByte(text, '\n'); from > 0 && i >= 0 {
		text = text[i+1:]
	}
	return Log{Text: text, Size: st.Size()}, nil
}

// MakeDir makes a directory with the page, the logs of the build, which are in logs, and its
// report, in which disks and declarations are named without their directories.
func MakeDir(ctx context.Context, dir, logs string, in Input) error {
	return freshdir.Make(dir, func(tmp string) error {
		var err error
		if in.Logs, err = Logs(logs, in.Build, func(stage string) string { return "logs/" + logFile(stage) }); err != nil {
			return err
		}
		if err := os.Mkdir(filepath.Join(tmp, "logs"), 0o755); err != nil {
			return err
		}
		for i := range in.Logs {
			l := &in.Logs[i]
			if err := copyLog(ctx, filepath.Join(tmp, "logs", logFile(l.Stage)), filepath.Join(logs, history.LogName(l.Stage))); err != nil {
				return err
			}
			l.Href = href(l.Href)
		}
		data, err := json.MarshalIndent(withoutDirs(in.Build), "", " ")
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(tmp, history.ReportName), append(data, '\n'), 0o644); err != nil {
			return err
		}
		in.Files = append(in.Files, File{history.ReportName, history.ReportName, "this page for programs"})
		var b bytes.Buffer
		if err := Write(&b, in); err != nil {
			return err
		}
		return errors.Join(ctx.Err(), os.WriteFile(filepath.Join(tmp, PageName), b.Bytes(), 0o644))
	})
}

// logFile is the name of a stage's log, which browsers show as text.
func logFile(stage string) string { return stage + ".txt" }

// copyLog copies a log, of a longer one the end.
func copyLog(ctx context.Context, to, from string) (err error) {
	in, st, err := results.OpenFile(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	start := max(st.Size()-fileLog, 0)
	if start > 0 {
		if _, err := fmt.Fprintf(out, "(the first %d bytes are left out)\n", start); err != nil {
			return err
		}
	}
	_, err = io.Copy(out, ctxio.Reader(ctx, io.NewSectionReader(in, start, st.Size()-start)))
	return err
}

// withoutDirs is a report without the directories of this machine.
func withoutDirs(r *history.Report) *history.Report {
	out := *r
	out.Outputs = append([]history.Output(nil), r.Outputs...)
	for i := range out.Outputs {
		out.Outputs[i].Path = filepath.Base(out.Outputs[i].Path)
	}
	out.Declarations = append([]history.FileReport(nil), r.Declarations...)
	for i := range out.Declarations {
		out.Declarations[i].Name = filepath.Base(out.Declarations[i].Name)
	}
	return &out
}
