// SPDX-License-Identifier: MPL-2.0

package oci

import (
	"fmt"
	"strings"
)

// Kind says what kind of place a reference names.
type Kind int

// The kinds of references.
const (
	KindRegistry Kind = iota
	KindScratch
	KindLayout  // oci:
	KindArchive // docker-archive:
	KindStore   // the local store
)

// Reference names an image. It is one of
//
//	scratch
//	oci:DIR[:TAG]  oci:DIR@sha256:DIGEST
//	docker-archive:FILE[:NAME]
//	containers-storage:NAME  containers-storage:@ID
//	[docker://]NAME[:TAG][@sha256:DIGEST]
//
// where a NAME that begins with localhost/ is in the local store.
type Reference struct {
	Kind   Kind
	Path   string // path of a layout or archive
	Name   string // the rest: name, tag, or image name
	Digest string // sha256:...
}

// ParseReference parses a reference; nothing is looked up.
func ParseReference(ref string) (Reference, error) {
	kind, rest, ok := strings.Cut(ref, ":")
	switch {
	case ref == "scratch":
		return Reference{Kind: KindScratch}, nil
	case ok && kind == "oci":
		return parseFileReference(KindLayout, rest, ref)
	case ok && kind == "docker-archive":
		return parseFileReference(KindArchive, rest, ref)
	case ok && kind == "containers-storage" && rest != "":
		return Reference{Kind: KindStore, Name: strings.TrimPrefix(rest, "@")}, nil
	case strings.HasPrefix(ref, "localhost/"):
		return Reference{Kind: KindStore, Name: ref}, nil
	}
	name := strings.TrimPrefix(ref, "docker://")
	if name == "" || strings.ContainsAny(name, " \t\n") || strings.HasPrefix(name, "-") {
		return Reference{}, fmt.Errorf("%q is not an image reference", ref)
	}
	return Reference{Name: name}, nil
}

func parseFileReference(t Kind, rest, ref string) (Reference, error) {
	r := Reference{Kind: t, Path: rest}
	if at := strings.LastIndex(rest, "@sha256:"); at >= 0 {
		r.Path, r.Digest = rest[:at], rest[at+1:]
	} else if path, name, ok := strings.Cut(rest, ":"); ok {
		r.Path, r.Name = path, name
	}
	if r.Path == "" {
		return Reference{}, fmt.Errorf("%q names no file", ref)
	}
	return r, nil
}

// CheckReference reports mistakes in a reference to an image before anything is
// looked up.
func CheckReference(ref string) error {
	_, err := ParseReference(ref)
	return err
}

// LocalFile is the directory of the layout, or the archive, that a reference names.
func LocalFile(ref string) (path string, ok bool) {
	r, err := ParseReference(ref)
	return r.Path, err == nil && r.Path != ""
}

// IsLocal reports whether a reference names something on this machine, which may
// change at any time and is therefore read anew each time.
func IsLocal(ref string) bool {
	r, err := ParseReference(ref)
	return err == nil && r.Kind != KindRegistry
}

// IsStored reports whether a reference names an image of the local store.
func IsStored(ref string) bool {
	r, err := ParseReference(ref)
	return err == nil && r.Kind == KindStore
}
