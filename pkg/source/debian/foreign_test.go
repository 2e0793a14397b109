// SPDX-License-Identifier: MPL-2.0

package debian

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/carosio/carosbuild/pkg/source/debian/debtest"
)

// twoArchs is baseDebs with some packages of i386.
func twoArchs() []debtest.Deb {
	return append(
		debtest.Base(),
		debtest.Deb{Name: "libc6", Version: "2.36-9", Arch: "i386", Fields: "Multi-Arch: same\nDepends: libgcc, tzdata, mawk, awk\nBreaks: hurd\n"},
		debtest.Deb{Name: "libgcc", Version: "1", Arch: "i386", Fields: "Multi-Arch: same\n"},
		debtest.Deb{Name: "libgcc", Version: "1", Fields: "Multi-Arch: same\n"},
		debtest.Deb{Name: "tzdata", Version: "1", Arch: "all", Fields: "Multi-Arch: foreign\n"},
		debtest.Deb{Name: "hurd", Version: "1"},
		debtest.Deb{Name: "wine", Version: "1", Fields: "Depends: wine32:i386\n"},
		debtest.Deb{Name: "wine32", Version: "1", Arch: "i386", Fields: "Depends: virtual\n"},
		debtest.Deb{Name: "provider", Version: "1", Arch: "i386", Fields: "Provides: virtual\n"},
		debtest.Deb{Name: "needs-native", Version: "1", Arch: "i386", Fields: "Depends: only-amd64\n"},
		debtest.Deb{Name: "only-amd64", Version: "1"},
		debtest.Deb{Name: "tool", Version: "1", Fields: "Multi-Arch: allowed\n"},
		debtest.Deb{Name: "tool", Version: "1", Arch: "i386", Fields: "Multi-Arch: allowed\n"},
		debtest.Deb{Name: "wants-tool", Version: "1", Arch: "i386", Fields: "Depends: tool:any\n"},
		debtest.Deb{Name: "libold", Version: "1", Arch: "i386", Fields: "Multi-Arch: same\n"},
		debtest.Deb{Name: "libold", Version: "2", Fields: "Multi-Arch: same\n"},
		debtest.Deb{Name: "provides-i386", Version: "1", Fields: "Essential: no\n"},
		debtest.Deb{Name: "essential-there", Version: "1", Arch: "i386", Fields: "Essential: yes\nPriority: required\n"},
	)
}

func TestPackagesOfAnotherArchitecture(t *testing.T) {
	r := newRepo(t)
	r.suite(suiteSpec{foreign: "i386"}, twoArchs()...)
	f := r.fetcher(t)
	for name, c := range map[string]struct {
		packages string
		want     string // packages beside the variant's own, or an error
	}{
		"itself and what it needs":            {"libc6:i386", "libgcc:i386/auto tzdata:all/auto libc6:i386"},
		"of the own architecture":             {"tool:amd64", "tool:amd64"},
		"an explicit need":                    {"wine libc6:i386", "libgcc:i386/auto tzdata:all/auto libc6:i386 provider:i386/auto wine32:i386/auto wine:amd64"},
		"a version":                           {"libgcc:i386=1", "libgcc:i386"},
		"both at a time":                      {"libgcc:i386 libgcc", "libgcc:amd64 libgcc:i386"},
		"any":                                 {"wants-tool:i386", "tool:i386/auto wants-tool:i386"},
		"breaks what is of another":           {"hurd libc6:i386", "libc6:i386 conflicts with hurd"},
		"needs what is of its own only":       {"needs-native:i386", "needs-native:i386 1 depends on only-amd64, which is not in sid"},
		"in another version":                  {"libold libold:i386", "libold 2 is already chosen"},
		"not side by side":                    {"tool tool:i386", "cannot be installed side by side"},
		"not there":                           {"nope:i386", `package "nope:i386" is not in sid`},
		"an architecture that does not exist": {"libc6:armhf", "sid has no architecture armhf: it has all, amd64, i386"},
		"only the own of two is taken":        {"provides-i386", "provides-i386:amd64"},
		"Essential is a word of the own one":  {"", ""},
	} {
		t.Run(name, func(t *testing.T) {
			b := r.bootstrap(strings.Fields(c.packages)...)
			must(t, b.Check())
			res, err := f.Resolve(t.Context(), b, Host{}, testNow)
			if err != nil {
				if c.want == "" || !strings.Contains(err.Error(), c.want) {
					t.Errorf("got %v, want %q", err, c.want)
				}
				return
			}
			var got []string
			for _, p := range res.extras() {
				word := p.Name + ":" + p.Arch
				if p.Auto {
					word += "/auto"
				}
				got = append(got, word)
			}
			if diff := cmp.Diff(strings.Join(got, " "), c.want); diff != "" {
				t.Errorf("packages (got, want):\n%s", diff)
			}
			for _, p := range res.base() {
				if p.Arch == "i386" {
					t.Errorf("%s of i386 is a part of the variant", p.Name)
				}
			}
			locked, err := res.Lock(b).Resolution(b, Host{})
			if err != nil || locked.Digest() != res.Digest() {
				t.Errorf("locked: %v", err)
			}
		})
	}
}

// The image's apt knows the architecture, and the architecture of each package.
func TestInstallOfAnotherArchitecture(t *testing.T) {
	r := newRepo(t)
	r.suite(suiteSpec{foreign: "i386"}, twoArchs()...)
	res, err := r.fetcher(t).Resolve(t.Context(), r.bootstrap("libc6:i386", "libgcc"), Host{}, testNow)
	must(t, err)
	script := res.InstallScript()
	for _, want := range []string{
		"dpkg --add-architecture i386\n", " libc6:i386=2.36-9 ", " libgcc:i386=1 ", " libgcc=1 ",
		"Package: libgcc\nArchitecture: i386\nAuto-Installed: 1\n",
	} {
		if !strings.Contains(strings.ReplaceAll(script, " </dev/null", "  </dev/null"), want) {
			t.Errorf("%q is not in\n%s", want, script)
		}
	}
	if slices.Contains(strings.Fields(script), "libc6=2.36-9") {
		t.Error("libc6 of the own architecture is installed a second time")
	}
	if n := strings.Count(res.InstallFiles()[installIndex], "Package: libgcc\n"); n != 2 {
		t.Errorf("the index has libgcc %d times", n)
	}
}
