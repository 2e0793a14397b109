// SPDX-License-Identifier: MPL-2.0

package localstore

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/carosio/carosbuild/cmd/carosbuild/internal/cli"
	"github.com/carosio/carosbuild/cmd/carosbuild/internal/render"
	"github.com/carosio/carosbuild/pkg/layer"
	"github.com/carosio/carosbuild/pkg/plan"
)

func TestFull(t *testing.T) {
	dir := t.TempDir()
	p, d := layer.Paths{GraphRoot: dir}, cli.Dirs{Cache: filepath.Join(dir, "none"), State: dir}
	for _, errno := range []error{syscall.ENOSPC, syscall.EDQUOT} {
		for name, err := range map[string]error{
			"plain": fmt.Errorf("commit: %w", &fs.PathError{Op: "write", Path: "x", Err: errno}),
			"step":  &plan.StepError{Stage: "s", Err: fmt.Errorf("commit: %w", errno)},
			"both":  errors.Join(errors.New("other"), &plan.StepError{Stage: "s", Err: errno}),
		} {
			text := err.Error()
			got := Full(p, d, err)
			if got.Error() != text || !errors.Is(got, errno) {
				t.Errorf("%s: became %v", name, got)
			}
			hints := strings.Join(render.RemediesOf(got), "\n")
			for _, want := range []string{"carosbuild prune makes room", " for layers in " + dir + " (XDG_DATA_HOME)", " for logs in " + dir} {
				if !strings.Contains(hints, want) {
					t.Errorf("%s: the remedy is %q, want %q", name, hints, want)
				}
			}
			if strings.Contains(hints, "none") {
				t.Errorf("%s: what does not exist is in %q", name, hints)
			}
		}
	}
	other := &plan.StepError{Stage: "s", Err: syscall.EIO}
	if got := Full(p, d, other); got != error(other) || len(render.RemediesOf(got)) > 0 {
		t.Errorf("another error: %v", got)
	}
	if Full(p, d, nil) != nil {
		t.Error("no error became one")
	}
}
