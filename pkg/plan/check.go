// SPDX-License-Identifier: MPL-2.0

package plan

import (
	"errors"
	"fmt"
	"strings"

	"github.com/carosio/carosbuild/pkg/key"
)

// Version is the version of the format of plans that this program writes and reads.
const Version = 2

// Check refuses a plan of another version, which another program has made, and one
// with a job that is not valid.
func (p *Plan) Check() error {
	if p == nil || p.Version != Version {
		return fmt.Errorf("the plan is not of version %d, which is what this program reads", Version)
	}
	for i := range p.Stages {
		if err := p.Stages[i].Check(); err != nil {
			return err
		}
	}
	return nil
}

// Check refuses a job that NewPlan could not have made, since a job may come from
// elsewhere: keys and names become names of files.
func (j *Job) Check() error {
	if j == nil {
		return errors.New("the plan has no job")
	}
	if j.ID == "" || j.ID[0] == '.' || strings.ContainsAny(j.ID, "/\x00") {
		return fmt.Errorf("%q is not the id of a stage", j.ID)
	}
	for i := range j.Steps {
		if err := j.Steps[i].check(); err != nil {
			return fmt.Errorf("stage %s: step %d: %w", j.ID, i+1, err)
		}
	}
	return nil
}

// check refuses a step that an executor could not run. A step without a key is never
// run.
func (s *Step) check() error {
	if s.Key == "" {
		return nil
	}
	if !key.IsKey(s.Key) {
		return fmt.Errorf("%q is not a key", s.Key)
	}
	missing := false
	switch do := s.Action.(type) {
	case nil:
		missing = true
	case *Bootstrap:
		missing = do.Packages == nil
	case *BBLayers:
		missing = do.Conf == nil
	case *LocalConf:
		missing = do.Conf == nil
	case *Bitbake:
		missing = do.Conf == nil
	case *Reposync:
		missing = len(do.From) != len(do.Trees)
	case *Copy:
		for _, src := range do.Sources {
			if src.Path != "" && !key.IsKey(src.Digest) {
				return fmt.Errorf("%q is not the digest of %s", src.Digest, src.Name)
			}
		}
	}
	if missing {
		return fmt.Errorf("%s lacks its action", s.Kind)
	}
	return nil
}
