// SPDX-License-Identifier: MPL-2.0

package engine

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/carosio/carosbuild/pkg/progress"
	"github.com/carosio/carosbuild/pkg/source/bitbake"
)

// How many logs of a failed bitbake are kept, and how much of each: of a larger log,
// its end. A stage may have more logs than the disk can hold.
const (
	maxTaskLogs = 100 // task logs, and as many of bitbake's own
	maxTaskLog  = 16 << 20
	maxAllLogs  = 256 << 20
)

// bitbakeWatch reads what bitbake prints.
type bitbakeWatch struct {
	run  *jobRun
	last bitbake.Progress
	logs []string // of failed tasks, inside the stage

	noted bool // whether a log that could not be kept was reported
}

// line is called for every line of output, one after the other.
func (b *bitbakeWatch) line(s string) {
	if log, ok := bitbake.FailedLog(s); ok && len(b.logs) < maxTaskLogs && !slices.Contains(b.logs, log) {
		b.logs = append(b.logs, log)
	}
	p, ok := bitbake.ParseProgress(s)
	if !ok || p == b.last {
		return
	}
	if b.last.What != "" && p.What != b.last.What {
		b.end()
	}
	b.last = p
	b.run.event(progress.Event{Kind: progress.Progress, Stage: b.run.job.ID, Text: p.What, Done: p.Done, Total: p.Total, Unit: "tasks"})
}

// end ends the progress display.
func (b *bitbakeWatch) end() {
	if b.last.What != "" {
		b.run.event(progress.Event{Kind: progress.ProgressEnd, Stage: b.run.job.ID, Text: b.last.What})
	}
}

// collect copies the logs of failed tasks, and bitbake's own, out of the stage, at most
// room bytes in all. It returns their directory, or "". A log that cannot be kept is left
// out; the first time, the reason is noted.
func (b *bitbakeWatch) collect(rootDir string, room int64) string {
	root, err := unix.Open(rootDir, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		b.lost("bitbake's logs", err)
		return ""
	}
	defer unix.Close(root)
	dir := strings.TrimSuffix(b.run.log.path(), ".log") + "-logs"
	if err = os.RemoveAll(dir); err == nil {
		err = os.MkdirAll(dir, 0o700)
	}
	if err != nil {
		b.lost("bitbake's logs", err)
		return ""
	}
	kept := 0
	keep := func(name, as string) {
		n, err := copyLog(root, name, filepath.Join(dir, as), min(maxTaskLog, room))
		room -= n
		if err == nil {
			kept++
		} else {
			b.lost(name, err)
		}
	}
	for _, log := range b.logs {
		keep(log, bitbake.LogName(log))
	}
	own := filesIn(root, bitbake.CookerLogs, 2)
	for _, log := range own[max(0, len(own)-maxTaskLogs):] {
		keep(log, "cooker-"+path.Base(log))
	}
	if kept == 0 {
		_ = os.Remove(dir)
		return ""
	}
	return dir
}

// lost notes that logs could not be kept.
func (b *bitbakeWatch) lost(what string, err error) {
	if !b.noted {
		b.noted = true
		b.run.note(fmt.Sprintf("%s could not be kept: %v", what, err))
	}
}

// filesIn lists regular files in a directory of the stage, depth levels down.
func filesIn(root int, dir string, depth int) []string {
	fd, err := openIn(root, dir, unix.O_RDONLY|unix.O_DIRECTORY)
	if err != nil {
		return nil
	}
	f := os.NewFile(uintptr(fd), dir)
	defer f.Close()
	entries, err := f.ReadDir(100 * maxTaskLogs)
	if err != nil {
		return nil
	}
	slices.SortFunc(entries, func(a, b os.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	entries = entries[max(0, len(entries)-maxTaskLogs):] // the names are times: keep the latest
	var files []string
	for _, e := range entries {
		name := path.Join(dir, e.Name())
		switch {
		case e.Type().IsRegular():
			files = append(files, name)
		case e.IsDir() && depth > 1:
			files = append(files, filesIn(root, name, depth-1)...)
		}
	}
	return files
}

// copyLog copies a regular file of the stage, or the last most bytes of it. It
// returns how many were written, if only in part.
func copyLog(root int, name, to string, most int64) (int64, error) {
	fd, err := openIn(root, name, unix.O_RDONLY|unix.O_NONBLOCK)
	if err != nil {
		return 0, err
	}
	in := os.NewFile(uintptr(fd), name)
	defer in.Close()
	st, err := in.Stat()
	if err != nil {
		return 0, err
	}
	if !st.Mode().IsRegular() {
		return 0, fmt.Errorf("%s is not a regular file", name)
	}
	out, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return 0, err
	}
	n, err := io.Copy(out, io.NewSectionReader(in, max(0, st.Size()-most), most))
	return n, errors.Join(err, out.Close())
}
