// SPDX-License-Identifier: MPL-2.0

package feed

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/carosio/carosbuild/pkg/debfile"
)

// world is a feed in two builds, as text: NAME[/ARCH][!] [FIELD: RELATIONS]...
// where ! means that the content changed, and OLD and NEW in relations are the
// builds' suffixes.
func world(t testing.TB, lines ...string) []*pair {
	t.Helper()
	var older, newer []*Package
	for _, l := range lines {
		parts := strings.Split(l, "; ")
		name, arch, _ := strings.Cut(strings.TrimSuffix(parts[0], "!"), "/")
		if arch == "" {
			arch = "all"
		}
		text := fmt.Sprintf("Package: %s\nVersion: 1-NEW\nArchitecture: %s\n%s\n", name, arch, strings.Join(parts[1:], "\n"))
		newer = append(newer, parsed(t, strings.ReplaceAll(text, "NEW", "r0.2")))
		old := parsed(t, strings.ReplaceAll(text, "NEW", "r0.1"))
		if strings.HasSuffix(parts[0], "!") {
			old.control.Fields = append(old.control.Fields, debfile.Field{Name: "X", Value: "y"})
		}
		older = append(older, old)
	}
	pairs := match(newer, older)
	for _, p := range pairs {
		p.reason = p.controlDiffers()
	}
	return pairs
}

func parsed(t testing.TB, text string) *Package {
	t.Helper()
	s, err := debfile.ParseControl(text)
	must(t, err)
	return &Package{Name: s.Get("Package"), Version: s.Get("Version"), Arch: s.Get("Architecture"), control: &debfile.Control{Text: text, Fields: s}, refs: refs(s)}
}

func kept(pairs []*pair) string {
	var out []string
	for _, p := range pairs {
		if p.reason == "" {
			out = append(out, p.new.Name+"/"+p.new.Arch)
		}
	}
	return strings.ReplaceAll(strings.Join(out, " "), "/all", "")
}

func TestSolve(t *testing.T) {
	for _, c := range []struct {
		name  string
		world []string
		want  string
	}{
		{"nothing", nil, ""},
		{"depends on what is kept", []string{"a", "b; Depends: a (= 1-NEW)", "c; Depends: b (= 1-NEW), a (>= 1-NEW)"}, "a b c"},
		{"depends on what changed", []string{"a!", "b; Depends: a (= 1-NEW)", "c; Depends: b (= 1-NEW)", "d"}, "d"},
		{"depends on the other version of what changed", []string{"a!", "b; Depends: a (>= 1)"}, "b"},
		{"circle", []string{"a; Depends: b (= 1-NEW)", "b; Depends: a (= 1-NEW)"}, "a b"},
		{"circle with a change", []string{"a; Depends: b (= 1-NEW)", "b; Depends: c (= 1-NEW)", "c; Depends: a (= 1-NEW)", "b2!", "c2; Suggests: b2 (= 1-NEW)"}, "a b c"},
		{"circle that depends on a change", []string{"a; Depends: b (= 1-NEW)", "b; Depends: a (= 1-NEW), c (= 1-NEW)", "c!"}, ""},
		{"itself", []string{"a; Replaces: a (<< 1-NEW)"}, "a"},
		{"not in the feed", []string{"a; Depends: z (= 1-NEW)"}, ""},
		{"provided by what is kept", []string{"a; Provides: v (= 1-NEW)", "b; Depends: v (= 1-NEW)"}, "a b"},
		{"provided by what changed", []string{"a!; Provides: v (= 1-NEW)", "b; Depends: v (= 1-NEW)"}, ""},
		{"one architecture changed", []string{"a/x", "a/y!", "b; Depends: a (= 1-NEW)"}, ""},
		{"no architecture changed", []string{"a/x", "a/y", "b; Depends: a (= 1-NEW)"}, "a/x a/y b"},
		{"older one is outside of a range", []string{"a", "b!; Depends: a (>= 1-r0.11)"}, "a"},
		{"older one is outside of a range, new one is not", []string{"a", "b!; Depends: a (>> 1-r0.1)"}, ""},
		{"older one conflicts, new one does not", []string{"a", "b!; Conflicts: a (<= 1-r0.1)", "c; Depends: a (= 1-NEW)"}, ""},
	} {
		pairs := world(t, c.world...)
		solve(pairs)
		if got := kept(pairs); got != c.want {
			t.Errorf("%s: got %q, want %q", c.name, got, c.want)
			for _, p := range pairs {
				t.Logf("%s: %s", p.new.Name, p.reason)
			}
		}
	}
}

// Two packages that provide one version of a name, of which only one changed:
// what is rewritten still meets what asks for it.
func TestSolveProviders(t *testing.T) {
	pairs := world(t, "a; Provides: v (= 1-NEW)", "b!; Provides: v (= 1-NEW)", "c!; Depends: v (= 1-NEW)")
	s := solve(pairs)
	var got []string
	for _, p := range pairs {
		d := s.decision(p)
		line := "kept"
		if d.Kept == nil {
			line = strings.Split(d.control, "\n")[3]
		}
		got = append(got, line)
	}
	if diff := cmp.Diff([]string{"kept", "Provides: v (= 1-r0.1)", "Depends: v (= 1-r0.1)"}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	contradiction := world(t, "a; Provides: v (= 5-NEW)", "b; Provides: v (= 5-NEW)")
	contradiction[1].old.refs[0].version = "5-r0.0"
	solve(contradiction)
	if got := kept(contradiction); got != "" {
		t.Errorf("contradiction: kept %q", got)
	}
}

// Random feeds: the packages that are kept are the most that can be, by trying
// all sets, and every exact relation that held in the new feed holds in the
// reduced one.
func TestSolveRandom(t *testing.T) {
	for seed := range uint64(3000) {
		rng := rand.New(rand.NewPCG(seed, 1))
		n := 1 + rng.IntN(8)
		var lines []string
		for i := range n {
			l := fmt.Sprintf("p%d", i)
			if rng.IntN(4) == 0 {
				l += "!"
			}
			var deps []string
			for range rng.IntN(3) {
				deps = append(deps, fmt.Sprintf("p%d (%s 1-NEW)", rng.IntN(n), []string{"=", ">=", "<="}[rng.IntN(3)]))
			}
			if len(deps) > 0 {
				l += "; Depends: " + strings.Join(deps, ", ")
			}
			lines = append(lines, l)
		}
		pairs := world(t, lines...)
		equal := 0
		for i, p := range pairs {
			if p.reason == "" {
				equal |= 1 << i
			}
		}
		s := solve(pairs)
		got := 0
		for i, p := range pairs {
			if p.reason == "" {
				got |= 1 << i
			}
		}
		if want := best(pairs, equal); got != want {
			t.Fatalf("seed %d: got %b, want %b of\n%s", seed, got, want, strings.Join(lines, "\n"))
		}
		checkHolds(t, s, pairs)
	}
}

// best is the largest subset of equal in which each package's relations are
// the older ones'.
func best(pairs []*pair, equal int) int {
	index := map[string]int{}
	for i, p := range pairs {
		index[p.new.Name] = i
	}
	union := 0
	for set := range equal + 1 {
		ok := set&^equal == 0
		for i, p := range pairs {
			if !ok || set&(1<<i) == 0 {
				continue
			}
			for j, r := range p.new.refs {
				want := r.version
				if set&(1<<index[r.name]) != 0 {
					want = pairs[index[r.name]].old.Version
				}
				ok = ok && want == p.old.refs[j].version
			}
		}
		if ok {
			union |= set
		}
	}
	return union
}

func checkHolds(t *testing.T, s *solver, pairs []*pair) {
	t.Helper()
	version := map[string]string{}
	for _, p := range pairs {
		version[p.new.Name] = p.new.Version
		if p.reason == "" {
			version[p.new.Name] = p.old.Version
		}
	}
	for _, p := range pairs {
		rs := p.old.refs
		if d := s.decision(p); d.Kept == nil {
			rs = parsed(t, d.control).refs
		}
		for _, r := range rs {
			if !holds(version[r.name], r.op, r.version) {
				t.Errorf("%s wants %s (%s %s), which is %s", p.new.Name, r.name, r.op, r.version, version[r.name])
			}
		}
	}
}
