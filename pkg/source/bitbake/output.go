// SPDX-License-Identifier: MPL-2.0

package bitbake

import (
	"path"
	"strconv"
	"strings"

	"github.com/carosio/carosbuild/pkg/lazyregexp"
)

// Progress is bitbake's progress according to its output.
type Progress struct {
	What        string // "bitbake" or "bitbake setscene"
	Done, Total int64  // number of tasks that ran, and of all tasks
}

// Lines of bitbake's output that say something, in versions from 1.28 (jethro) to
// 2.8.
var (
	runningTask  = lazyregexp.New(`^NOTE: Running (setscene |noexec )?task (\d{1,9}) of (\d{1,9}) \(`)
	currentTasks = lazyregexp.New(`^Currently +\d+ running tasks? \((\d{1,9}) of (\d{1,9})`)
	failedLog    = lazyregexp.New(`^ERROR: (?:.* )?Logfile of failure stored in: (/[!-~]+)$`)
)

// ParseProgress parses a line of output. "Running task 5 of 9" means that 4 have
// finished or are running.
func ParseProgress(line string) (Progress, bool) {
	if m := runningTask().FindStringSubmatch(line); m != nil {
		p := Progress{What: "bitbake"}
		if m[1] == "setscene " {
			p.What = "bitbake setscene"
		}
		return p.counted(m[2], m[3])
	}
	if m := currentTasks().FindStringSubmatch(line); m != nil {
		return Progress{What: "bitbake"}.counted(m[1], m[2])
	}
	return Progress{}, false
}

// counted sets the numbers from texts that contain only digits.
func (p Progress) counted(at, of string) (Progress, bool) {
	n, _ := strconv.ParseInt(at, 10, 64)
	p.Total, _ = strconv.ParseInt(of, 10, 64)
	p.Done = n - 1
	return p, n >= 1 && n <= p.Total
}

// FailedLog is the log of a failed task that a line of output names: an absolute
// path inside the stage.
func FailedLog(line string) (string, bool) {
	if m := failedLog().FindStringSubmatch(strings.TrimRight(line, " \r")); m != nil {
		return path.Clean(m[1]), true
	}
	return "", false
}

// LogName is the name under which a task's log is kept: recipe, version and task,
// from .../RECIPE/VERSION/temp/log.do_TASK.PID.
func LogName(log string) string {
	parts := strings.Split(strings.Trim(path.Clean(log), "/"), "/")
	if n := len(parts); n >= 4 && parts[n-2] == "temp" {
		parts = []string{parts[n-4], parts[n-3], parts[n-1]}
	} else {
		parts = parts[max(0, n-2):]
	}
	return strings.Join(parts, "-")
}

// CookerLogs is the directory of bitbake's own logs, below the build directory.
const CookerLogs = BuildDir + "/tmp/log/cooker"
