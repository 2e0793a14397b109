// This Source Code Form is subject to the terms of the Mozilla Public
// License, v. 2.0. If a copy of the MPL was not distributed with this
// file, You can obtain one at https://mozilla.org/MPL/2.0/.

package debian

import (
	"encoding/hex"
	"errors"
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/carosio/carosbuild/pkg/debfile"
)

// release is the verified content of a suite's InRelease file.
type release struct {
	Suite, Codename  string
	Date, ValidUntil time.Time // ValidUntil is zero if the file has none
	ByHash           bool
	Architectures    []string
	Components       []string
	Files            map[string]fileHash // by path below the suite's directory
}

type fileHash struct {
	SHA256 string // lower-case hex
	Size   int64
}

func parseRelease(text string) (release, error) {
	s, err := debfile.ParseStanza(text)
	if err != nil {
		return release{}, err
	}
	r := release{
		Suite: s.Get("Suite"), Codename: s.Get("Codename"),
		ByHash:        s.Get("Acquire-By-Hash") == "yes",
		Architectures: strings.Fields(s.Get("Architectures")),
		Components:    strings.Fields(s.Get("Components")),
		Files:         map[string]fileHash{},
	}
	if r.Date, err = parseDate(s.Get("Date")); err != nil {
		return release{}, fmt.Errorf("field Date: %w", err)
	}
	if v := s.Get("Valid-Until"); v != "" {
		if r.ValidUntil, err = parseDate(v); err != nil {
			return release{}, fmt.Errorf("field Valid-Until: %w", err)
		}
	}
	for _, line := range strings.Split(strings.TrimSpace(s.Get("SHA256")), "\n") {
		f := strings.Fields(line)
		if len(f) != 3 {
			return release{}, fmt.Errorf("field SHA256: %q", line)
		}
		size, err := strconv.ParseInt(f[1], 10, 64)
		if err != nil || size < 0 || !isSHA256(f[0]) {
			return release{}, fmt.Errorf("field SHA256: %q", line)
		}
		r.Files[f[2]] = fileHash{f[0], size}
	}
	return r, nil
}

// isSHA256 is the grammar that a digest must have before it becomes a name.
func isSHA256(s string) bool {
	_, err := hex.DecodeString(s)
	return err == nil && len(s) == 64 && strings.ToLower(s) == s
}

func parseDate(s string) (time.Time, error) {
	for _, layout := range []string{"Mon, 2 Jan 2006 15:04:05 MST", "Mon, 2 Jan 2006 15:04:05 -0700"} {
		if t, err := time.Parse(layout, s); err == nil {
			return t.UTC(), nil
		}
	}
	return time.Time{}, fmt.Errorf("date %q", s)
}

// clockSlack is how far a mirror's clock may be ahead of ours.
const clockSlack = 10 * time.Minute

// check holds the release against what was asked for: a signature alone does
// not say that the file is that of this suite, nor that it is not an old one.
func (r release) check(suite, arch string, components []string, checkUntil, checkDate bool, now time.Time) error {
	var errs []error
	if suite != r.Suite && suite != r.Codename && path.Dir(suite) != r.Codename {
		errs = append(errs, fmt.Errorf("is that of suite %q, code name %q", r.Suite, r.Codename))
	}
	if checkUntil && !r.ValidUntil.IsZero() && now.After(r.ValidUntil) {
		errs = append(errs, fmt.Errorf("was valid until %s: the mirror is out of date, "+
			"or this is an attack with old files (set Acquire::Check-Valid-Until \"false\" in the host's apt "+
			"configuration, or attribute snapshot, to accept it)", r.ValidUntil.Format(time.RFC3339)))
	}
	if checkDate && r.Date.After(now.Add(clockSlack)) {
		errs = append(errs, fmt.Errorf("is dated %s, in the future: is the clock right?", r.Date.Format(time.RFC3339)))
	}
	if len(r.Architectures) > 0 && !slices.Contains(r.Architectures, arch) {
		errs = append(errs, fmt.Errorf("has no architecture %s, only %s", arch, strings.Join(r.Architectures, " ")))
	}
	for _, c := range components {
		if !slices.ContainsFunc(r.Components, func(have string) bool { return path.Base(have) == path.Base(c) }) {
			errs = append(errs, fmt.Errorf("has no component %s, only %s", c, strings.Join(r.Components, " ")))
		}
	}
	return errors.Join(errs...)
}

// index picks the compressed form of a component's Packages file: its path,
// its hash, and the hash of its content. xz is the smallest that all have.
func (r release) index(component, arch string) (name string, packed, plain fileHash, err error) {
	for _, c := range []string{component, "updates/" + component} { // old security suites prefix theirs
		base := c + "/binary-" + arch + "/Packages"
		plain, ok := r.Files[base]
		if !ok {
			continue
		}
		for _, ending := range []string{".xz", ".gz", ""} {
			if packed, ok := r.Files[base+ending]; ok {
				return base + ending, packed, plain, nil
			}
		}
	}
	return "", fileHash{}, fileHash{}, fmt.Errorf("lists no Packages file of component %s for %s", component, arch)
}
