// SPDX-License-Identifier: MPL-2.0

package solve

import (
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pault.ag/go/debian/version"

	"github.com/carosio/carosbuild/pkg/tooltest"
)

// world makes an index from lines "NAME VERSION; FIELD: VALUE; ...".
func world(t testing.TB, lines string) *Universe {
	t.Helper()
	var b strings.Builder
	for _, line := range strings.Split(strings.TrimSpace(lines), "\n") {
		parts := strings.Split(line, ";")
		name, ver, _ := strings.Cut(strings.TrimSpace(parts[0]), " ")
		fmt.Fprintf(&b, "Package: %s\nVersion: %s\n", name, ver)
		if !strings.Contains(line, "Architecture:") {
			b.WriteString("Architecture: amd64\n")
		}
		for _, f := range parts[1:] {
			b.WriteString(strings.TrimSpace(f) + "\n")
		}
		fmt.Fprintf(&b, "Filename: pool/%s.deb\nSize: 1\nSHA256: %064d\n\n", name, 0)
	}
	u := New("amd64", nil, []string{"sid"})
	must(t, u.Add(0, b.String()))
	return u
}

func TestSolve(t *testing.T) {
	for _, c := range []struct {
		name, world, ask, want, err string
	}{
		{"closure", "a 1; Depends: b, c\nb 1; Pre-Depends: d\nc 1\nd 1\ne 1", "a", "a b c d", ""},
		{"cycle", "a 1; Depends: b\nb 1; Depends: a", "a", "a b", ""},
		{"first alternative", "a 1; Depends: b | c\nb 1\nc 1", "a", "a b", ""},
		{"alternative already there", "a 1; Depends: b | c\nb 1\nc 1", "a c", "a c", ""},
		{"alternative chosen by another's only one", "a 1; Depends: b | c, d\nb 1\nc 1\nd 1; Depends: c", "a", "a c d", ""},
		{"alternative that exists", "a 1; Depends: gone | c\nc 1", "a", "a c", ""},
		{"virtual", "a 1; Depends: awk\nmawk 1; Provides: awk\ngawk 1; Provides: awk", "a", "a gawk", ""},
		{"virtual by priority", "a 1; Depends: awk\nmawk 1; Provides: awk; Priority: required\ngawk 1; Provides: awk; Priority: optional", "a", "a mawk", ""},
		{"virtual already there", "a 1; Depends: awk\nmawk 1; Provides: awk\ngawk 1; Provides: awk", "a mawk", "a mawk", ""},
		{"named before virtual", "a 1; Depends: b\nb 1\na0 1; Provides: b", "a", "a b", ""},
		{"versioned on unversioned virtual", "a 1; Depends: b (>= 1)\nc 1; Provides: b", "a", "", "a 1 depends on b (>= 1), which is not in sid"},
		{"versioned virtual", "a 1; Depends: b (>= 1)\nc 1; Provides: b (= 2)", "a", "a c", ""},
		{"versioned virtual, too old", "a 1; Depends: b (>= 3)\nc 1; Provides: b (= 2)", "a", "", "not in sid"},
		{"version order: tilde", "a 1; Depends: b (>= 1.0)\nb 1.0~rc1", "a", "", "which has b 1.0~rc1"},
		{"version order: epoch", "a 1; Depends: b (>= 9)\nb 1:0.1", "a", "a b", ""},
		{"version order: numbers", "a 1; Depends: b (>> 1.9-1)\nb 1.10-1", "a", "a b", ""},
		{"strictly earlier", "a 1; Depends: b (<< 1.10)\nb 1.10", "a", "", "not in sid"},
		{"highest version wins", "a 1; Depends: b (= 2)\nb 1\nb 2", "a", "a b", ""},
		{"only the candidate counts", "a 1; Depends: b (= 1)\nb 1\nb 2", "a", "", "which has b 2"},
		{":any of an allowed", "a 1; Depends: perl:any\nperl 5; Multi-Arch: allowed", "a", "a perl", ""},
		{":any of another", "a 1; Depends: perl:any\nperl 5", "a", "", "perl:any"},
		{":any of a virtual", "a 1; Depends: perl:any\nminiperl 5; Multi-Arch: allowed; Provides: perl", "a", "a miniperl", ""},
		{"own architecture", "a 1; Depends: b:amd64\nb 5", "a", "a b", ""},
		{"foreign architecture", "a 1; Depends: b:i386\nb 5", "a", "", "b:i386"},
		{"restricted to another architecture", "a 1; Depends: b [i386], c [amd64]\nc 1", "a", "a c", ""},
		{"other architecture's package", "a 1; Depends: b\nb 1; Architecture: i386", "a", "", "not in sid"},
		{"conflict avoided", "a 1; Depends: b | c\nb 1; Conflicts: a\nc 1", "a", "a c", ""},
		{"conflict the other way", "a 1; Depends: b | c; Breaks: b (<< 2)\nb 1\nc 1", "a", "a c", ""},
		{"conflict with a virtual", "a 1; Depends: b | c; Conflicts: mta\nb 1; Provides: mta\nc 1", "a", "a c", ""},
		{"conflict with what it provides itself", "a 1; Provides: mta; Conflicts: mta", "a", "a", ""},
		{"hopeless conflict", "a 1\nb 1; Conflicts: a", "a b", "", "b conflicts with a"},
		{"a choice taken back", "a 1; Depends: b | c, d | e\nb 1; Depends: x\nx 1; Conflicts: d, e\nc 1\nd 1\ne 1", "a", "a c d", ""},
		{"a choice whose need is missing", "a 1; Depends: b | c\nb 1; Depends: gone\nc 1", "a", "a c", ""},
		{"two choices taken back", "a 1; Depends: p | q, r | s, t\np 1; Conflicts: s\nq 1\nr 1; Conflicts: t\ns 1\nt 1", "a", "a q s t", ""},
		{"chain in the message", "a 1; Depends: b\nb 1; Depends: c\nc 1; Depends: gone", "a", "", "c 1 depends on gone, which is not in sid (amd64)\n  c is needed by b\n  b is needed by a\n  a was asked for"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := NewSolver(world(t, c.world))
			err := s.install(strings.Fields(c.ask))
			if c.err != "" {
				if err == nil || !strings.Contains(err.Error(), c.err) {
					t.Errorf("got %v, want an error with %q", err, c.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, p := range s.order {
				got = append(got, p.Name)
			}
			slices.Sort(got)
			if diff := cmp.Diff(got, strings.Fields(c.want)); diff != "" {
				t.Errorf("chosen (got, want):\n%s", diff)
			}
		})
	}
}

// A declaration that cannot be satisfied gives an error in bounded time, whatever
// it contains.
func TestSolveEnds(t *testing.T) {
	var b strings.Builder
	b.WriteString("a 1; Depends: gone")
	for i := range 60 {
		fmt.Fprintf(&b, ", x%d | y%d", i, i)
	}
	b.WriteString(", z | w\n")
	for i := range 60 {
		fmt.Fprintf(&b, "x%d 1\ny%d 1\n", i, i)
	}
	b.WriteString("z 1; Depends: gone\nw 1; Depends: gone\n")
	lines := strings.Replace(b.String(), "Depends: gone, ", "Depends: ", 1)
	err := NewSolver(world(t, lines)).install([]string{"a"})
	if err == nil || !strings.Contains(err.Error(), "depends on gone") {
		t.Errorf("got %v, want what the first obstacle was", err)
	}
}

func TestInOrder(t *testing.T) {
	s := NewSolver(world(t, "z 1\ny 1; Depends: z\nx 1; Pre-Depends: y; Depends: w\nw 1; Depends: x\nv 1; Depends: mta\nu 1; Provides: mta; Depends: x"))
	must(t, s.install([]string{"v", "u"}))
	var got []string
	for _, p := range inOrder(s, s.order) {
		got = append(got, p.Name)
	}
	if diff := cmp.Diff(got, strings.Fields("z y w x u v")); diff != "" {
		t.Errorf("order (got, want):\n%s", diff)
	}
}

func TestVirtualRequests(t *testing.T) {
	s := NewSolver(world(t, "mawk 1; Provides: awk\ngawk 1; Provides: awk\nexim 1; Provides: mta"))
	if _, err := s.RealNames([]string{"awk"}); err == nil || !strings.Contains(err.Error(), "choose one of gawk, mawk") {
		t.Errorf("two providers: got %v", err)
	}
	got, err := s.RealNames([]string{"mta"})
	if err != nil || !slices.Equal(got, []string{"exim"}) {
		t.Errorf("one provider: got %v, %v", got, err)
	}
}

// The library orders versions as dpkg does.
func TestVersionOrderAgainstDpkg(t *testing.T) {
	dpkg := tooltest.Find(t, "dpkg")
	list := []string{"0", "1", "1-0", "1-1", "1.0", "1~rc1", "1~~", "1~", "1+b1", "1:0", "2:0~", "1a", "1.a", "1.10", "1.9", "1.09", "1-1~bpo12+1", "1+deb12u1", "1.0-1+b1", "10", "01"}
	for _, a := range list {
		for _, b := range list {
			x, err := version.Parse(a)
			must(t, err)
			y, err := version.Parse(b)
			must(t, err)
			got := version.Compare(x, y) < 0
			want := exec.Command(dpkg, "--compare-versions", a, "lt", b).Run() == nil
			if got != want {
				t.Errorf("%s lt %s: got %v, want %v as dpkg says", a, b, got, want)
			}
		}
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
