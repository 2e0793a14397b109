// SPDX-License-Identifier: MPL-2.0

package debian

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/carosio/carosbuild/pkg/source/debian/field"
)

// Role is how a package gets into the root file system.
type Role string

// The roles, in the order of installation.
const (
	Essential Role = "essential" // Essential: yes, and what those need: unpacked natively
	Required  Role = "required"  // the rest of the variant's base, apt among it: unpacked natively
	Extra     Role = "extra"     // everything else: installed by apt in the sandbox
)

// Resolution is what a Bootstrap came to: plain data, safe to store as JSON.
type Resolution struct {
	Suite     string    `json:"suite"`
	Arch      string    `json:"arch"`
	Variant   string    `json:"variant"`
	Foreign   []string  `json:"foreign,omitempty"` // architectures of packages beside Arch
	MergedUsr bool      `json:"merged_usr"`        // the links of a merged /usr are to be made first
	Sources   string    `json:"sources"`           // the result's /etc/apt/sources.list
	Releases  []Release `json:"releases"`
	Without   []string  `json:"without,omitempty"` // suites that the mirror does not have
	Packages  []Package `json:"packages"`          // by role; each after what it needs, as far as cycles allow
}

// UnmarshalJSON implements json.Unmarshaler. In pins of versions before 2 the names
// are those of the fields; encoding/json takes capital letters for small ones.
func (r *Resolution) UnmarshalJSON(data []byte) error {
	type plain Resolution
	old := struct {
		*plain
		MergedUsr *bool `json:"MergedUsr"`
	}{plain: (*plain)(r)}
	if err := json.Unmarshal(data, &old); err != nil {
		return err
	}
	if old.MergedUsr != nil {
		r.MergedUsr = *old.MergedUsr
	}
	return nil
}

// Release says which state of a suite was used.
type Release struct {
	Suite      string    `json:"suite"` // as asked for
	URL        string    `json:"url"`
	Date       time.Time `json:"date"`
	ValidUntil time.Time `json:"valid_until"` // zero if unlimited
}

// Package is one .deb.
type Package struct {
	Name      string `json:"name"`
	Version   string `json:"version"`
	Arch      string `json:"arch"`
	Role      Role   `json:"role"`
	Auto      bool   `json:"auto,omitempty"` // for the sake of another package only: apt's mark
	URL       string `json:"url"`            // of the mirror
	Filename  string `json:"filename"`       // below URL
	Size      int64  `json:"size"`
	Installed int64  `json:"installed,omitempty"` // bytes of the unpacked files, as the index says; 0 if it does not
	Sum       string `json:"sha256"`              // hexadecimal; one of 128 digits is a SHA512
	Stanza    string `json:"stanza,omitempty"`    // the index entry, of Extra packages only
}

// recipe changes when the same packages would unpack or configure to something
// else than with an older version of this package.
const recipe = "1"

// Digest covers all that decides about the result: the packages with their
// hashes and roles, the sources, and what is done with them. Mirrors and dates
// of the releases are not among it.
func (r *Resolution) Digest() string {
	type item struct {
		Name, Version, Arch, SHA256 string
		Role                        Role
		Auto                        bool
	}
	items := make([]item, len(r.Packages))
	for i, p := range r.Packages {
		items[i] = item{p.Name, p.Version, p.Arch, p.Sum, p.Role, p.Auto}
	}
	data, err := json.Marshal(struct {
		Recipe, Suite, Arch, Sources string
		MergedUsr                    bool
		Configure, Install           string
		Packages                     []item
	}{recipe, r.Suite, r.Arch, r.Sources, r.MergedUsr, r.ConfigureScript(), r.InstallScript(), items})
	if err != nil {
		panic(err) // strings and booleans
	}
	sum := sha256.Sum256(data)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// InstalledSize is about what the packages' files take, in bytes: what their
// index entries say, which counts whole blocks, less a tenth, or else twice their
// compressed size.
func (r *Resolution) InstalledSize() int64 {
	var n int64
	for _, p := range r.Packages {
		if p.Installed > 0 {
			n += p.Installed / 10 * 9
		} else {
			n += 2 * p.Size
		}
	}
	return n
}

// Missing is the sum of the sizes of the packages that the cache does not have.
func (f *Fetcher) Missing(r *Resolution) int64 {
	var n int64
	for _, p := range r.Packages {
		if _, err := os.Stat(f.debPath(p.Sum)); err != nil {
			n += p.Size
		}
	}
	return n
}

// Size is the sum of the packages' sizes in bytes.
func (r *Resolution) Size() int64 {
	var n int64
	for _, p := range r.Packages {
		n += p.Size
	}
	return n
}

// base lists the packages that are unpacked natively.
func (r *Resolution) base() []Package {
	for i, p := range r.Packages {
		if p.Role == Extra {
			return r.Packages[:i]
		}
	}
	return r.Packages
}

func (r *Resolution) extras() []Package { return r.Packages[len(r.base()):] }

// qualified is a package's name, with its architecture if that is a foreign one.
func (r *Resolution) qualified(p Package) string {
	if slices.Contains(r.Foreign, p.Arch) {
		return p.Name + ":" + p.Arch
	}
	return p.Name
}

func (p Package) hash() field.File { return field.File{Sum: p.Sum, Size: p.Size} }

func (p Package) address() string { return strings.TrimRight(p.URL, "/") + "/" + p.Filename }

// extendedStates is apt's record of packages that came for others' sake.
func (r *Resolution) extendedStates(list []Package) string {
	var b strings.Builder
	for _, p := range list {
		if p.Auto {
			arch := r.Arch // apt's word for packages of all architectures, too
			if slices.Contains(r.Foreign, p.Arch) {
				arch = p.Arch
			}
			b.WriteString("Package: " + p.Name + "\nArchitecture: " + arch + "\nAuto-Installed: 1\n\n")
		}
	}
	return b.String()
}
