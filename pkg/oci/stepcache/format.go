// SPDX-License-Identifier: MPL-2.0

package stepcache

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/carosio/carosbuild/pkg/lazyregexp"
	"github.com/carosio/carosbuild/pkg/oci"
)

// Tags: distribution-spec, "Pulling manifests": [a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}.
const (
	stepTag = "step-" // followed by the key of the step
	pastTag = "past-" // followed by a name for a stage of a declaration
)

var tagForm = lazyregexp.New(`^[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}$`)

// Annotations of the manifest. All but the first four are for information, and are
// not evaluated.
const (
	annotation = "org.carosio.carosbuild."

	keyAnnotation    = annotation + "key"
	parentAnnotation = annotation + "parent"      // key of the step below; left out if there is none
	rootfsAnnotation = annotation + "rootfs"      // number of layers that the configuration named before
	formatAnnotation = annotation + "format"      // of these annotations
	stageAnnotation  = annotation + "stage"       // id in the declaration
	stepAnnotation   = annotation + "step"        // such as 2/5
	titleAnnotation  = annotation + "title"       // such as RUN make
	buildAnnotation  = annotation + "build"       // id of the build that ran the step
	declAnnotation   = annotation + "declaration" // digest of the declaration's files
	progAnnotation   = annotation + "version"     // of the program
	snapAnnotation   = annotation + "packages"    // digest of the list of packages of the bootstrap
	writeAnnotation  = annotation + "written"     // time, as in RFC 3339
	pastAnnotation   = annotation + "past"        // digest of the contents of the label of that name

	format = "1"
)

// Meta describes the step of a result.
type Meta struct {
	Key    string // of the step
	Parent string // key of the step that it is based on, or ""

	Stage       string // id
	Step, Steps int    // number of the step, from 1, and how many the stage has
	Title       string // such as RUN make
	Build       string // id of the build that ran it
	Declaration string // digest of the declaration's files
	Program     string // version
	Packages    string // digest of the packages of the bootstrap that it is based on, or ""

	Written time.Time // when it was written to the place
}

// Result is the result of a step.
type Result struct {
	Layers []oci.Digest // digests of the uncompressed tars (diffIDs), the lowest first
	Config oci.Config   // as it is between steps: its rootfs may name fewer layers
}

// Entry is a result in a place.
type Entry struct {
	Meta
	Result
	Source oci.Source       // its image
	Blobs  []oci.Descriptor // compressed layers, as Layers has them
}

// Tag is the tag of a step's result.
func Tag(key string) (string, error) {
	if tag := stepTag + key; key != "" && tagForm().MatchString(tag) {
		return tag, nil
	}
	return "", fmt.Errorf("key %q cannot be a tag of a registry", key)
}

// image is the image of a result, without its layers.
func image(m Meta, r Result) (oci.Stored, error) {
	named := r.Config.RootFS.DiffIDs
	if len(named) > len(r.Layers) || !slices.Equal(named, r.Layers[:len(named)]) {
		return oci.Stored{}, errors.New("the layers in the configuration are not those of the result")
	}
	c := r.Config
	c.SetLayers(append([]oci.Digest{}, r.Layers...))
	config, err := json.Marshal(c.ConfigFile)
	if err != nil {
		return oci.Stored{}, err
	}
	notes := map[string]string{keyAnnotation: m.Key, formatAnnotation: format, rootfsAnnotation: strconv.Itoa(len(named))}
	if named == nil && r.Config.RootFS.Type == "" {
		delete(notes, rootfsAnnotation)
	}
	noteWritten(notes, m.Written)
	if m.Steps > 0 {
		notes[stepAnnotation] = fmt.Sprintf("%d/%d", m.Step, m.Steps)
	}
	for name, value := range map[string]string{
		parentAnnotation: m.Parent, stageAnnotation: m.Stage, titleAnnotation: m.Title, buildAnnotation: m.Build,
		declAnnotation: m.Declaration, progAnnotation: m.Program, snapAnnotation: m.Packages,
	} {
		if value != "" {
			notes[name] = value
		}
	}
	return oci.Stored{ID: oci.DigestOf(config).Hex, Config: config, Annotations: notes}, nil
}

func noteWritten(notes map[string]string, at time.Time) {
	if !at.IsZero() {
		notes[writeAnnotation] = at.UTC().Format(time.RFC3339)
	}
}

// notFor says why an image is not the result of a step.
type notFor struct{ why string }

func (e *notFor) Error() string { return e.why }

// parse returns what annotations and an image's contents say, if the image is the
// result of a key.
func parse(key, parent string, notes map[string]string, c oci.Contents) (Entry, error) {
	e := Entry{Meta: Meta{
		Key: notes[keyAnnotation], Parent: notes[parentAnnotation], Stage: notes[stageAnnotation], Title: notes[titleAnnotation],
		Build: notes[buildAnnotation], Declaration: notes[declAnnotation], Program: notes[progAnnotation], Packages: notes[snapAnnotation],
	}}
	e.Written, _ = time.Parse(time.RFC3339, notes[writeAnnotation]) // zero if there is none
	_, _ = fmt.Sscanf(notes[stepAnnotation], "%d/%d", &e.Step, &e.Steps)
	switch {
	case notes[formatAnnotation] != format:
		return e, &notFor{"another version of carosbuild has written it"}
	case e.Key != key:
		return e, &notFor{fmt.Sprintf("it says that it is of the key %.80q", e.Key)}
	case e.Parent != parent:
		return e, &notFor{fmt.Sprintf("it is based on another step than in the declaration: %.80q", e.Parent)}
	}
	e.Config = c.Config
	for _, l := range c.Layers {
		e.Layers, e.Blobs = append(e.Layers, l.DiffID), append(e.Blobs, l.Descriptor)
	}
	text, named := notes[rootfsAnnotation]
	if !named {
		e.Config.RootFS.Type, e.Config.RootFS.DiffIDs = "", nil
		return e, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 || n > len(e.Layers) {
		return e, &notFor{fmt.Sprintf("%.80q is not a valid number of layers", text)}
	}
	e.Config.RootFS.DiffIDs = slices.Clone(e.Layers[:n])
	return e, nil
}
