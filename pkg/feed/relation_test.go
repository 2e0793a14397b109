// SPDX-License-Identifier: MPL-2.0

package feed

import (
	"strings"
	"testing"

	"github.com/carosio/carosbuild/pkg/debfile"
)

func TestRewriteControl(t *testing.T) {
	versions := map[named]string{
		{"a", "1.0-r0.2"}: "1.0-r0.1", {"a", "1x0-r0y2"}: "wrong", {"b+", "2:3-r2"}: "2:3-r1", {"c", "1.0-r0.2"}: "1.0-r0.15",
	}
	f := func(r ref) string {
		if v, ok := versions[named{r.name, r.version}]; ok {
			return v
		}
		return r.version
	}
	for _, c := range []struct{ name, text, want string }{
		{"one", "Depends: a (= 1.0-r0.2)\n", "Depends: a (= 1.0-r0.1)\n"},
		{"several on a line, and alternatives", "Depends: a (= 1.0-r0.2), a (>= 1.0-r0.2) | b+ (<<2:3-r2), c(= 1.0-r0.2)\n", "Depends: a (= 1.0-r0.1), a (>= 1.0-r0.1) | b+ (<<2:3-r1), c(= 1.0-r0.15)\n"},
		{"dots are dots", "Depends: a (= 1x0-r0.2), a (= 1.0-r0y2)\n", "Depends: a (= 1x0-r0.2), a (= 1.0-r0y2)\n"},
		{"the whole version", "Depends: a (= 1.0-r0.22), a (= 11.0-r0.2), a (= 1.0-r0)\n", "Depends: a (= 1.0-r0.22), a (= 11.0-r0.2), a (= 1.0-r0)\n"},
		{"the whole name", "Depends: aa (= 1.0-r0.2), a-a (= 1.0-r0.2), b (= 2:3-r2)\n", "Depends: aa (= 1.0-r0.2), a-a (= 1.0-r0.2), b (= 2:3-r2)\n"},
		{"architecture qualifier", "Depends: a:any (= 1.0-r0.2)\n", "Depends: a:any (= 1.0-r0.1)\n"},
		{"all operators", "Breaks: a (< 1.0-r0.2), a (<= 1.0-r0.2), a (> 1.0-r0.2), a (>> 1.0-r0.2)\n", "Breaks: a (< 1.0-r0.1), a (<= 1.0-r0.1), a (> 1.0-r0.1), a (>> 1.0-r0.1)\n"},
		{"all fields", relationLines("1.0-r0.2"), relationLines("1.0-r0.1")},
		{"folded", "Depends: b,\n a (=\n\t1.0-r0.2),\n c\nX: a (= 1.0-r0.2)\n", "Depends: b,\n a (=\n\t1.0-r0.1),\n c\nX: a (= 1.0-r0.2)\n"},
		{"other fields, blanks, no newline", "Description:  a (= 1.0-r0.2) \n a (= 1.0-r0.2)\nVersion: 1.0-r0.2\nDepends:a (= 1.0-r0.2)", "Description:  a (= 1.0-r0.2) \n a (= 1.0-r0.2)\nVersion: 1.0-r0.2\nDepends:a (= 1.0-r0.1)"},
		{"malformed", "Depends: a (= 1.0-r0.2, (= 1.0-r0.2), a = 1.0-r0.2), a ()\n", "Depends: a (= 1.0-r0.1, (= 1.0-r0.2), a = 1.0-r0.2), a ()\n"},
		{"line ends of DOS", "Depends: a (= 1.0-r0.2)\r\n c\r\n", "Depends: a (= 1.0-r0.1)\r\n c\r\n"},
		{"nothing", "", ""},
	} {
		if got := rewriteControl(c.text, f); got != c.want {
			t.Errorf("%s: got %q, want %q", c.name, got, c.want)
		}
	}
}

func relationLines(v string) string {
	var b strings.Builder
	for _, f := range strings.Fields("Depends Pre-Depends Recommends Suggests Enhances Breaks Conflicts Replaces Provides depends RECOMMENDS") {
		b.WriteString(f + ": a (= " + v + ")\n")
	}
	return b.String()
}

// FuzzRewriteControl: what is rewritten parses as what the values become, and
// without a change it stays the same to the byte.
func FuzzRewriteControl(f *testing.F) {
	f.Add("Package: a\nDepends: a (= 1), b:any (>= 1~) | c,\n d (<< 2:1-1)\nDescription: a (= 1)\n x\n")
	f.Add("provides: a (=1)\r\n\t,b (= \n 1)")
	f.Fuzz(func(t *testing.T, text string) {
		if got := rewriteControl(text, func(r ref) string { return r.version }); got != text {
			t.Fatalf("got %q, want %q", got, text)
		}
		s, err := debfile.ParseStanza(text)
		if err != nil || strings.Contains(text, "#") || strings.Contains(text, "\r") {
			return
		}
		change := func(ref) string { return "9" }
		got, err := debfile.ParseStanza(rewriteControl(text, change))
		if err != nil {
			t.Fatalf("%q becomes invalid: %v", text, err)
		}
		for i, x := range s {
			want := x.Value
			if isRelation(x.Name) {
				want = replaceVersions(want, x.Name, change)
			}
			if got[i].Name != x.Name || got[i].Value != want {
				t.Errorf("got %q, want %s: %q", got[i], x.Name, want)
			}
		}
	})
}

func TestVersions(t *testing.T) {
	for _, c := range []struct{ smaller, larger string }{
		{"1.0-r9", "1.0-r10"},
		{"1.0-r0.9", "1.0-r0.10"},
		{"1.0-r0", "1.0-r0.1"},
		{"1.0~rc1-r0", "1.0-r0"},
		{"9-r0", "1:1-r0"},
		{"git-r9", "git-r10"},
		{"1.0+git0+abc-r0", "1.0+git1+abc-r0"},
		{"1.0", "1.0.1"},
	} {
		if compareVersions(c.smaller, c.larger) >= 0 || compareVersions(c.larger, c.smaller) <= 0 || compareVersions(c.larger, c.larger) != 0 {
			t.Errorf("%s is not less than %s", c.smaller, c.larger)
		}
	}
	for v, want := range map[string]string{"1.0-r0.3": "1.0", "1.0": "1.0", "1:2-3-r1": "1:2-3", "-r1": "-r1"} {
		if got := base(v); got != want {
			t.Errorf("base of %s: got %s, want %s", v, got, want)
		}
	}
}
