// SPDX-License-Identifier: MPL-2.0

package render

import (
	"fmt"
	"io"
	"strings"

	"github.com/carosio/carosbuild/pkg/failure"
	"github.com/carosio/carosbuild/pkg/terminal"
)

// failedLines is how much of a failed step's output is shown.
const failedLines = 20

// FailedStep shows how a step has failed, as an image from elsewhere says it.
func FailedStep(w io.Writer, r *failure.Record) {
	at := Printable(r.File)
	if r.Line > 0 {
		at = fmt.Sprintf("%s:%d:%d", at, r.Line, r.Column)
	}
	fmt.Fprintf(w, "%s: stage %s of build %s, step %d/%d failed: exit status %d\n", OrDash(at), Printable(r.Stage), Printable(r.Build), r.Step, r.Steps, r.Status)
	fmt.Fprintf(w, "  %s %s\n", Printable(r.Kind), terminal.Cut(OneLine(r.Text), 500))
	lines := strings.Split(strings.TrimRight(r.Log, "\n"), "\n")
	if len(lines) == 1 && lines[0] == "" {
		return
	}
	fmt.Fprintln(w, "last output:")
	for _, line := range lines[max(0, len(lines)-failedLines):] {
		fmt.Fprintln(w, "  |", terminal.Cut(Printable(line), 500))
	}
}
