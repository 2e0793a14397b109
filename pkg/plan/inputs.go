// SPDX-License-Identifier: MPL-2.0

package plan

import (
	"path/filepath"
	"slices"
	"strings"
)

// Input is something that a job reads from the machine on which it was planned.
type Input struct {
	Path   string // path of a file or directory; for an image in the store, its reference
	Digest string // of the contents, names and modes included, see files.Digest; "" if it is not known
	What   string // description, such as "a source of ADD in stage s"
}

// Inputs are the files and directories of a job's bundle. A bundle is a directory
// in which each of them is stored under its digest: files.Digest of BUNDLE/DIGEST
// is DIGEST.
func (j *Job) Inputs() []Input {
	return slices.DeleteFunc(j.reads(), func(in Input) bool { return in.Digest == "" })
}

// Local are the inputs that exist only on the machine on which a job was planned,
// and in no bundle: images that are not in a registry, mirrors and git repositories
// that are directories. Another machine can build the job if there are none.
func (j *Job) Local() []Input {
	return slices.DeleteFunc(j.reads(), func(in Input) bool { return in.Digest != "" })
}

// Bundled is the job for a machine that has its bundle in dir.
func (j *Job) Bundled(dir string) *Job {
	out := *j
	out.Steps = slices.Clone(j.Steps)
	for i, s := range out.Steps {
		switch do := s.Action.(type) {
		case *Copy:
			there := *do
			there.Sources = slices.Clone(do.Sources)
			for k, src := range there.Sources {
				if src.Path != "" {
					there.Sources[k].Path = filepath.Join(dir, src.Digest)
				}
			}
			out.Steps[i].Action = &there
		case *Bootstrap:
			if do.Keyring != "" {
				there := *do
				there.Wanted.Keyring = filepath.Join(dir, do.Keyring)
				out.Steps[i].Action = &there
			}
		}
	}
	return &out
}

// reads are all inputs of a job.
func (j *Job) reads() []Input {
	var in []Input
	for i := range j.Steps {
		s := &j.Steps[i]
		switch do := s.Action.(type) {
		case *Copy:
			for _, src := range do.Sources {
				if src.Path != "" {
					in = append(in, Input{src.Path, src.Digest, "a source of " + s.Kind + " in stage " + j.ID})
				}
			}
		case *From:
			for _, kind := range []string{"oci:", "docker-archive:", "containers-storage:"} {
				if path, ok := strings.CutPrefix(do.Image, kind); ok {
					in = append(in, Input{path, "", "the image that stage " + j.ID + " starts from"})
				}
			}
		case *Bootstrap:
			in = append(in, bootstrapInputs(do, j.ID)...)
		case *Reposync:
			for _, p := range do.From {
				in = append(in, localURL(p.URL, "a git repository of the declaration")...)
			}
		}
	}
	if j.Apt != nil && j.Apt.Host != nil {
		h := j.Apt.Host
		for _, url := range []string{h.Mirror, h.SecurityMirror, h.UbuntuMirror, h.UbuntuSecurityMirror} {
			in = append(in, localURL(url, "the mirror of stage "+j.ID)...)
		}
	}
	return in
}

func bootstrapInputs(a *Bootstrap, stage string) []Input {
	var in []Input
	if a.Wanted.Keyring != "" {
		in = append(in, Input{a.Wanted.Keyring, a.Keyring, "the keyring of stage " + stage})
	}
	in = append(in, localURL(a.Wanted.Mirror, "the mirror of stage "+stage)...)
	return append(in, localURL(a.Wanted.SecurityMirror, "the mirror of stage "+stage)...)
}

// localURL reports whether an address is a directory of this machine.
func localURL(url, what string) []Input {
	path := strings.TrimPrefix(url, "file://")
	if !strings.HasPrefix(path, "/") {
		return nil
	}
	return []Input{{path, "", what}}
}
