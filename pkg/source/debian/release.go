// SPDX-License-Identifier: MPL-2.0

package debian

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/carosio/carosbuild/pkg/debfile"
	"github.com/carosio/carosbuild/pkg/source/debian/field"
)

// release is the verified content of a suite's InRelease or Release file.
type release struct {
	Suite, Codename  string
	Date, ValidUntil time.Time // ValidUntil is zero if the file has none
	ByHash           bool
	Architectures    []string
	Components       []string
	Files            map[string]field.File // by path below the suite's directory
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
	}
	if r.Date, err = parseDate(s.Get("Date")); err != nil {
		return release{}, fmt.Errorf("field Date: %w", err)
	}
	if v := s.Get("Valid-Until"); v != "" {
		if r.ValidUntil, err = parseDate(v); err != nil {
			return release{}, fmt.Errorf("field Valid-Until: %w", err)
		}
	}
	for _, name := range []string{"SHA256", "SHA512"} {
		if s.Has(name) {
			r.Files, err = parseSums(s.Get(name))
			if err != nil {
				return release{}, fmt.Errorf("field %s: %w", name, err)
			}
			return r, nil
		}
	}
	return release{}, errors.New("has neither SHA256 nor SHA512 of its files")
}

// parseSums reads lines of a digest, a size and a path.
func parseSums(text string) (map[string]field.File, error) {
	files := map[string]field.File{}
	for line := range strings.SplitSeq(strings.TrimSpace(text), "\n") {
		f := strings.Fields(line)
		if len(f) != 3 {
			return nil, fmt.Errorf("%q", line)
		}
		size, err := strconv.ParseInt(f[1], 10, 64)
		if err != nil || size < 0 || !field.IsSum(f[0]) {
			return nil, fmt.Errorf("%q", line)
		}
		files[f[2]] = field.File{Sum: f[0], Size: size}
	}
	return files, nil
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

// check compares the release with the request: a signature alone does not say that
// the file belongs to that suite, nor that it is current. Fields that the file does
// not have are not checked.
func (r release) check(a archive, b Bootstrap, checkUntil, checkDate bool, now time.Time) error {
	var errs []error
	var ms Mistakes
	named := r.Suite != "" || r.Codename != ""
	if named && a.Suite != r.Suite && a.Suite != r.Codename && path.Dir(a.Suite) != r.Codename {
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
	for _, arch := range append([]string{b.arch()}, b.foreign()...) {
		if len(r.Architectures) == 0 || slices.Contains(r.Architectures, arch) {
			continue
		}
		m := &Mistake{Attr: "arch", Value: arch, Text: fmt.Sprintf("%s has no architecture %s", a.Suite, arch), Hint: "it has " + strings.Join(r.Architectures, ", ")}
		if arch != b.arch() {
			m.Attr = "packages"
		}
		ms = append(ms, m)
	}
	for _, c := range b.components() {
		same := func(have string) bool { return path.Base(have) == path.Base(c) }
		if len(r.Components) > 0 && !slices.ContainsFunc(r.Components, same) {
			ms = append(ms, &Mistake{
				Attr: "components", Value: c, Text: fmt.Sprintf("%s has no component %q", a.Suite, c),
				Hint: "it has " + strings.Join(r.Components, ", "), Known: r.Components,
			})
		}
	}
	return errors.Join(append(errs, ms.orNil())...)
}

// endings are the extensions of compressed indices, the smallest first; all suites have xz.
var endings = []string{".xz", ".zst", ".bz2", ".lzma", ".gz", ""}

// index chooses a compressed form of a component's Packages file. It returns the
// path, the hash, and the hash of the decompressed content, which is empty if the
// release lists only the compressed form.
func (r release) index(component, arch string) (name string, packed, plain field.File, err error) {
	for _, c := range []string{component, "updates/" + component} { // old security suites have a prefix
		base := c + "/binary-" + arch + "/Packages"
		for _, ending := range endings {
			if packed, ok := r.Files[base+ending]; ok {
				return base + ending, packed, r.Files[base], nil
			}
		}
	}
	return "", field.File{}, field.File{}, fmt.Errorf("lists no Packages file of component %s for %s", component, arch)
}
