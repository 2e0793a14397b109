// SPDX-License-Identifier: MPL-2.0

// Package release makes the directory that a release of a distribution is:
// images under names by a template, their sums, the list of packages, the
// revisions of git layers, and what has changed since a former release.
//
// The same input gives the same bytes: nothing is dated but by the caller.
// It leaves out finding builds and stages, and git.
package release

import "time"

// Names of the files besides images.
const (
	DataName     = "release.json"
	ManifestName = "packages.manifest"
	ChangesName  = "CHANGES.md"
	SumsName     = "SHA256SUMS"
)

// Schema is the version of what release.json looks like.
const Schema = 1

// Release is all that is known of a release.
type Release struct {
	Schema   int       `json:"schema"`
	Version  string    `json:"version,omitempty"`
	Date     time.Time `json:"date"`
	BuildID  string    `json:"build_id"`
	Stage    string    `json:"stage,omitempty"`
	Images   []Image   `json:"images"`
	Packages []Package `json:"packages"` // sorted by name
	Layers   []Layer   `json:"layers"`   // sorted by path
	Changes  *Changes  `json:"changes,omitempty"`
}

// Image is a disk or another artifact of the build.
type Image struct {
	File   string `json:"file"`   // in the release
	Source string `json:"source"` // name that the build gave it
	Format string `json:"format,omitempty"`
	Size   int64  `json:"size"` // bytes
	SHA256 string `json:"sha256"`
}

// Package is an installed one.
type Package struct {
	Name         string `json:"name"`
	Version      string `json:"version"`
	Architecture string `json:"architecture"`
}

// Layer is a git tree that the build was made from.
type Layer struct {
	Path     string `json:"path"` // in the stage
	URL      string `json:"url"`  // without user and password
	Revision string `json:"revision"`
	Commit   string `json:"commit"`

	Mirror string `json:"-"` // address that the cache of git layers has it by, if not by URL
}

// title is how a text names the release.
func (r *Release) title() string {
	if r.Version != "" {
		return r.Version
	}
	return r.BuildID
}
