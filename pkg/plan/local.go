// SPDX-License-Identifier: MPL-2.0

package plan

import "strings"

// Input is something that a job reads of the machine on which it was planned.
type Input struct {
	Path string // of a file or directory; for an image in the store its reference
	What string // for a person, such as "a source of ADD in stage s"
}

// Local are the inputs of a job that only the machine has on which it was planned:
// another one can build the job when it gets them, or when there are none.
func (j *Job) Local() []Input {
	var in []Input
	for i := range j.Steps {
		s := &j.Steps[i]
		switch do := s.Action.(type) {
		case *Copy:
			for _, src := range do.Sources {
				if src.Path != "" {
					in = append(in, Input{src.Path, "a source of " + s.Kind + " in stage " + j.ID})
				}
			}
		case *From:
			for _, kind := range []string{"oci:", "docker-archive:", "containers-storage:"} {
				if path, ok := strings.CutPrefix(do.Image, kind); ok {
					in = append(in, Input{path, "the image that stage " + j.ID + " starts from"})
				}
			}
		case *Bootstrap:
			in = append(in, local(do.Wanted.Keyring, "the keyring of stage "+j.ID)...)
			in = append(in, localURL(do.Wanted.Mirror, "the mirror of stage "+j.ID)...)
			in = append(in, localURL(do.Wanted.SecurityMirror, "the mirror of stage "+j.ID)...)
		case *Reposync:
			for _, p := range do.From {
				in = append(in, localURL(p.URL, "a git repository of the declaration")...)
			}
		}
	}
	return in
}

func local(path, what string) []Input {
	if path == "" {
		return nil
	}
	return []Input{{path, what}}
}

// localURL is an address that is a directory of this machine.
func localURL(url, what string) []Input {
	path := strings.TrimPrefix(url, "file://")
	if !strings.HasPrefix(path, "/") {
		return nil
	}
	return []Input{{path, what}}
}
