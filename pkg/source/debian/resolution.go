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

// Role says how a package is installed in the root file system.
type Role string

// The roles, in the order of installation.
const (
	Essential Role = "essential" // Essential: yes, and their dependencies: unpacked natively
	Required  Role = "required"  // the rest of the variant's base, apt among it: unpacked natively
	Extra     Role = "extra"     // everything else: installed by apt in the sandbox
)

// Resolution is the result of resolving a Bootstrap: plain data that can be stored
// as JSON.
type Resolution struct {
	Suite     string    `json:"suite"`
	Arch      string    `json:"arch"`
	Variant   string    `json:"variant"`
	Foreign   []string  `json:"foreign,omitempty"` // architectures of packages, other than Arch
	MergedUsr bool      `json:"merged_usr"`        // the links of a merged /usr have to be made first
	Sources   string    `json:"sources"`           // the result's /etc/apt/sources.list
	Releases  []Release `json:"releases"`
	Without   []string  `json:"without,omitempty"` // suites that the mirror does not have
	Packages  []Package `json:"packages"`          // by role; each after its dependencies, as far as cycles allow
}

// UnmarshalJSON implements json.Unmarshaler. In pins written before version 2,
// names are those of the Go fields; encoding/json ignores the case of names.
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
	ValidUntil time.Time `json:"valid_until"` // zero if there is no limit
}

// Package is one .deb.
type Package struct {
	Name      string `json:"name"`
	Version   string `json:"version"`
	Arch      string `json:"arch"`
	Role      Role   `json:"role"`
	Auto      bool   `json:"auto,omitempty"` // installed only as a dependency: apt's mark
	URL       string `json:"url"`            // address of the mirror
	Filename  string `json:"filename"`       // path below URL
	Size      int64  `json:"size"`
	Installed int64  `json:"installed,omitempty"` // bytes of the unpacked files according to the index; 0 if not stated
	Sum       string `json:"sha256"`              // hexadecimal; 128 digits are a SHA512
	Stanza    string `json:"stanza,omitempty"`    // the index entry, only for Extra packages
}

// recipe changes if the same packages would be unpacked or configured differently
// than by an older version of this package.
const recipe = "1"

// Digest covers everything that determines the result: the packages with their
// hashes and roles, the sources, and the way they are processed. Mirrors and dates
// of the releases are not covered.
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
		panic(err) // marshalling strings and booleans cannot fail
	}
	sum := sha256.Sum256(data)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// InstalledSize is the approximate size of the packages' files, in bytes: according
// to their index entries, which count whole blocks, less a tenth, or else twice the
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

// extendedStates is apt's record of automatically installed packages.
func (r *Resolution) extendedStates(list []Package) string {
	var b strings.Builder
	for _, p := range list {
		if p.Auto {
			arch := r.Arch // apt's word also for packages of all architectures
			if slices.Contains(r.Foreign, p.Arch) {
				arch = p.Arch
			}
			b.WriteString("Package: " + p.Name + "\nArchitecture: " + arch + "\nAuto-Installed: 1\n\n")
		}
	}
	return b.String()
}
