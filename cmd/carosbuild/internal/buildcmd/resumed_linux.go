// SPDX-License-Identifier: MPL-2.0

package buildcmd

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/carosio/carosbuild/pkg/engine"
	"github.com/carosio/carosbuild/pkg/failure"
	"github.com/carosio/carosbuild/pkg/history"
	"github.com/carosio/carosbuild/pkg/layer"
	"github.com/carosio/carosbuild/pkg/progress"
	"github.com/carosio/carosbuild/pkg/source/git"
)

// commandOf is how this build was called: its options, by flags and variables.
func (c *buildCommand) commandOf(cmd *cobra.Command, j *buildJob) (history.Command, error) {
	dir, err := os.Getwd()
	if err != nil {
		return history.Command{}, err
	}
	out := history.Command{Dir: dir, Files: c.declFiles, Options: map[string][]string{}, Epoch: j.epoch, Skipped: j.skipped}
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		variable := strings.ToUpper(strings.ReplaceAll(f.Name, "-", "_"))
		if notKept(f.Name) || !f.Changed && c.Env(variable, "") == "" {
			return
		}
		values := []string{f.Value.String()}
		if list, ok := f.Value.(pflag.SliceValue); ok {
			values = list.GetSlice()
		}
		if slices.ContainsFunc(values, func(v string) bool { return git.Redact(v) != v }) {
			out.Withheld = append(out.Withheld, f.Name)
			return
		}
		out.Options[f.Name] = values
	})
	if len(out.Options["confine"]) == 0 && c.Within != nil { // because of CI=true
		own, err := filepath.Abs(filepath.Dir(c.declFiles[0]))
		if err != nil {
			return out, err
		}
		out.Options["confine"] = []string{own}
	}
	return out, nil
}

// seed puts what skipped steps count as done with where the engine finds it, and says so.
func (j *buildJob) seed(ctx context.Context, store *layer.Store, events func(progress.Event)) error {
	for _, s := range j.skipped {
		job := j.plan.Job(s.Stage)
		step := &job.Steps[s.Step-1]
		text := fmt.Sprintf("step %d/%d counts as done although it failed (%s): no other build takes what is based on it", s.Step, len(job.Steps), s.What)
		events(progress.Event{Time: time.Now(), Kind: progress.Note, Stage: s.Stage, Text: text})
		if err := appendLog(filepath.Join(j.dirs.Logs(), j.buildID, history.LogName(s.Stage)), "==> "+text+": "+step.Title()+"\n"); err != nil {
			return err
		}
		if _, ok, err := j.cache.Lookup(ctx, step.Key); ok || err != nil {
			if err != nil {
				return err
			}
			continue
		}
		img, ok, err := store.ImageByName(s.Image)
		if err == nil && !ok {
			err = errors.New("it is not in the store any more: build again, without resume")
		}
		if err != nil {
			return fmt.Errorf("what step %d of stage %s has left: %w", s.Step, s.Stage, err)
		}
		state, err := stateOf(ctx, store, img)
		if err != nil {
			return err
		}
		state.Config.AddHistory(fmt.Sprintf("# skipped: the step before failed (%s) and counts as done", s.What), img.Created, true)
		if err := j.cache.Put(ctx, step.Key, state); err != nil {
			return err
		}
	}
	return nil
}

// stateOf is what a step has left that failed, as the next one finds it.
func stateOf(ctx context.Context, store *layer.Store, img layer.Image) (s engine.State, err error) {
	s.Layer = img.Top
	if s.Config, _, err = store.Config(img); err != nil {
		return s, err
	}
	failure.Clear(&s.Config)
	s.Layers, err = engine.Layers{Store: store}.Chain(ctx, img.Top)
	return s, err
}

func appendLog(file, text string) error {
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return err
	}
	f, err := os.OpenFile(file, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	return errors.Join(err, f.Close())
}

// forgetFailures takes the names of half-done stages away that are done by now.
func (j *buildJob) forgetFailures(store *layer.Store, res *engine.Result) error {
	if res == nil || !j.resumed {
		return nil
	}
	var names []string
	for stage := range res.Stages {
		names = append(names, history.FailureName(j.buildID, stage))
	}
	return store.RemoveNames(names)
}
