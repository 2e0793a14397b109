// SPDX-License-Identifier: MPL-2.0

package feed

import (
	"archive/tar"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/carosio/carosbuild/pkg/debfile"
)

func TestReduce(t *testing.T) {
	lib := fake{Name: "lib", Version: "1.0-r0.1", Content: "same"}
	dev := fake{Name: "lib-dev", Version: "1.0-r0.1", Fields: "Depends: lib (= 1.0-r0.1)\n"}
	tool := fake{Name: "tool", Version: "2-r0.1", Arch: "x86", Content: "old", Fields: "Depends: lib (>= 1.0-r0.1)\n"}
	newDev, newTool := dev.rebuilt("1.0-r0.2"), tool.rebuilt("2-r0.2")
	newDev.Fields, newTool.Fields, newTool.Content = "Depends: lib (= 1.0-r0.2)\n", "Depends: lib (>= 1.0-r0.2)\n", "new"
	older := newFeed(t, lib, dev, tool)
	newer := newFeed(t, lib.rebuilt("1.0-r0.2"), newDev, newTool, fake{Name: "more", Version: "1-r0"})
	out, plan := reduce(t, older, newer)
	if diff := cmp.Diff(`SKIP lib-dev 1.0-r0.2: 1.0-r0.1
SKIP lib 1.0-r0.2: 1.0-r0.1
TAKE more 1-r0: there is no older package of 1
TAKE tool 2-r0.2: /usr/share/tool differs
`, plan.lines()); diff != "" {
		t.Errorf("decisions (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(`all/Packages
all/Packages.gz
all/lib-dev_1.0-r0.1_all.ipk
all/lib_1.0-r0.1_all.ipk
all/more_1-r0_all.ipk
x86/Packages
x86/Packages.gz
x86/tool_2-r0.2_x86.ipk
`, tree(t, out)); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
	if got := field(t, out+"/x86/tool_2-r0.2_x86.ipk", "Depends"); got != "lib (>= 1.0-r0.1)" {
		t.Errorf("rewritten: got %q", got)
	}
	same(t, out+"/all/lib-dev_1.0-r0.1_all.ipk", older+"/all/lib-dev_1.0-r0.1_all.ipk")
	same(t, out+"/all/more_1-r0_all.ipk", newer+"/all/more_1-r0_all.ipk")
	again, _ := reduce(t, older, newer)
	for _, f := range strings.Fields(tree(t, out)) {
		same(t, filepath.Join(again, f), filepath.Join(out, f))
	}
}

func same(t *testing.T, a, b string) {
	t.Helper()
	x, err := os.ReadFile(a)
	must(t, err)
	y, err := os.ReadFile(b)
	must(t, err)
	if string(x) != string(y) {
		t.Errorf("%s is not %s", a, b)
	}
}

func TestReasons(t *testing.T) {
	p := fake{Name: "p", Version: "1-r0.1", Fields: "Section: a\n"}
	for _, c := range []struct {
		change func(*fake)
		want   string
	}{
		{func(*fake) {}, ""},
		{func(p *fake) { p.Content = "x" }, "/usr/share/p differs"},
		{func(p *fake) { p.Script = "x" }, "control member postinst is new"},
		{func(p *fake) { p.Fields = "Section: b\n" }, "field Section differs"},
		{func(p *fake) { p.Fields += "Depends: b (= 1)\n" }, "field Depends differs"},
		{func(p *fake) { p.Fields = "" }, "the older one has more fields"},
		{func(p *fake) { p.Files = []tar.Header{p.header("./", tar.TypeDir, 0)} }, "/usr/share/p is gone"},
		{func(p *fake) {
			p.Files = []tar.Header{p.header("./", tar.TypeDir, 0), p.header("./usr/share/p", tar.TypeReg, 0), p.header("./etc", tar.TypeDir, 0)}
		}, "/etc is new"},
	} {
		q := p.rebuilt("1-r0.2")
		c.change(&q)
		_, plan := reduce(t, newFeed(t, p), newFeed(t, q))
		if got := plan.Decisions[0].Reason; got != c.want {
			t.Errorf("got %q, want %q", got, c.want)
		}
	}
}

// Equal compressed bytes are not decompressed.
func TestSameStored(t *testing.T) {
	p := fake{Name: "p", Version: "1-r0.1", Content: strings.Repeat("x", 1<<20)}
	q := p
	q.Version = "1-r0.2"
	o := options()
	o.Limits.Unpacked = 1000
	plan, err := Compare(t.Context(), scan(t, newFeed(t, q)), scan(t, newFeed(t, p)), o)
	if err != nil || plan.Decisions[0].Kept == nil {
		t.Errorf("got %v, want it kept without a look at it", err)
	}
	q = q.rebuilt("1-r0.2")
	if _, err := Compare(t.Context(), scan(t, newFeed(t, q)), scan(t, newFeed(t, p)), o); !errors.Is(err, debfile.ErrLimit) {
		t.Errorf("other times: got %v, want ErrLimit", err)
	}
}

func TestReduceChangedOnly(t *testing.T) {
	p, q := fake{Name: "p", Version: "1-r0.1"}, fake{Name: "q", Version: "1-r0.1"}
	newQ := q.rebuilt("1-r0.2")
	newQ.Fields, newQ.Script = "Depends: p (= 1-r0.2)\n", "x"
	plan, err := Compare(t.Context(), scan(t, newFeed(t, p.rebuilt("1-r0.2"), newQ)), scan(t, newFeed(t, p, q)), options())
	must(t, err)
	out := filepath.Join(t.TempDir(), "out")
	must(t, plan.Write(t.Context(), out, WriteOptions{Options: options(), ChangedOnly: true}))
	if got, want := tree(t, out), "all/Packages\nall/Packages.gz\nall/q_1-r0.2_all.ipk\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := field(t, out+"/all/q_1-r0.2_all.ipk", "Depends"); got != "p (= 1-r0.1)" {
		t.Errorf("got %q", got)
	}
}

// repo-reduce.sh ended with status 4 and copied nothing.
func TestNothingSkipped(t *testing.T) {
	p := fake{Name: "p", Version: "1-r0.1"}
	out, plan := reduce(t, newFeed(t, fake{Name: "other", Version: "1"}), newFeed(t, p))
	if got, want := plan.lines()+tree(t, out), "TAKE p 1-r0.1: there is no older package of 1\nall/Packages\nall/Packages.gz\nall/p_1-r0.1_all.ipk\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// repo-reduce.sh took a file of 1.0.1 for a candidate of 1.0, and one of
// another name.
func TestLongerVersionIsNoCandidate(t *testing.T) {
	p := fake{Name: "p", Version: "1.0-r0.1"}
	older := newFeed(t, p.rebuilt("1.0.1-r0.1"), fake{Name: "p-1.0", Version: "1.0-r0.1"}, fake{Name: "p", Version: "1.0-r0.1", Arch: "x86"})
	_, plan := reduce(t, older, newFeed(t, p.rebuilt("1.0-r0.2")))
	if got, want := plan.lines(), "TAKE p 1.0-r0.2: there is no older package of 1.0\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// repo-reduce.sh ordered file names, where r9 comes after r10.
func TestNewestCandidateByVersion(t *testing.T) {
	p := fake{Name: "p", Version: "1.0-r9"}
	stale := p
	stale.Content = "stale"
	_, plan := reduce(t, newFeed(t, stale, p.rebuilt("1.0-r10"), stale.rebuilt("1.0-r2")), newFeed(t, p.rebuilt("1.0-r11")))
	if got, want := plan.lines(), "SKIP p 1.0-r11: 1.0-r10\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// In repo-reduce.sh the dots of a version matched anything.
func TestDotsAreNoWildcards(t *testing.T) {
	p := fake{Name: "p", Version: "1.0-r0.1"}
	q := fake{Name: "q", Version: "1-r1", Fields: "Depends: p (>= 1x0-r0.2), p (>= 1.0-r0.2)\n"}
	out, _ := reduce(t, newFeed(t, p), newFeed(t, p.rebuilt("1.0-r0.2"), q))
	if got, want := field(t, out+"/all/q_1-r1_all.ipk", "Depends"), "p (>= 1x0-r0.2), p (>= 1.0-r0.1)"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// repo-reduce.sh replaced one version a line and name.
func TestSeveralRelationsInALine(t *testing.T) {
	p := fake{Name: "p", Version: "1-r0.1"}
	o := fake{Name: "o", Version: "1-r0.1"}
	q := fake{Name: "q", Version: "1-r1", Fields: "Depends: p (= 1-r0.2), p (>= 1-r0.2), o (= 1-r0.2) | p (= 1-r0.2)\nRecommends: o (= 1-r0.2)\n"}
	out, _ := reduce(t, newFeed(t, p, o), newFeed(t, p.rebuilt("1-r0.2"), o.rebuilt("1-r0.2"), q))
	file := out + "/all/q_1-r1_all.ipk"
	if got, want := field(t, file, "Depends")+field(t, file, "Recommends"), "p (= 1-r0.1), p (>= 1-r0.1), o (= 1-r0.1) | p (= 1-r0.1)o (= 1-r0.1)"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// repo-reduce.sh refused relative paths.
func TestRelativePaths(t *testing.T) {
	p := fake{Name: "p", Version: "1-r0.1"}
	older, newer := newFeed(t, p), newFeed(t, p.rebuilt("1-r0.2"), fake{Name: "q", Version: "1", Arch: "x86"})
	t.Chdir(newer + "/all")
	rel, err := filepath.Rel(newer+"/all", older)
	must(t, err)
	out, plan := reduce(t, rel, "p_1-r0.2_all.ipk", "../x86/q_1_x86.ipk")
	if got, want := plan.lines()+tree(t, out), "SKIP p 1-r0.2: 1-r0.1\nTAKE q 1: there is no older package of 1\nall/Packages\nall/Packages.gz\nall/p_1-r0.1_all.ipk\nx86/Packages\nx86/Packages.gz\nx86/q_1_x86.ipk\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestWriteRefuses(t *testing.T) {
	p := fake{Name: "p", Version: "1"}
	dir := newFeed(t, p)
	plan, err := Compare(t.Context(), scan(t, dir), nil, options())
	must(t, err)
	full := t.TempDir()
	must(t, os.WriteFile(full+"/x", nil, 0o600))
	if err := plan.Write(t.Context(), full, WriteOptions{Options: options()}); err == nil || !strings.Contains(err.Error(), "not empty") {
		t.Errorf("full directory: got %v", err)
	}
	must(t, plan.Write(t.Context(), t.TempDir(), WriteOptions{Options: options()})) // an empty one will do
	twice, err := Compare(t.Context(), append(scan(t, dir), scan(t, dir)...), nil, options())
	must(t, err)
	parent := t.TempDir()
	if err := twice.Write(t.Context(), parent+"/out", WriteOptions{Options: options()}); err == nil || !strings.Contains(err.Error(), "two packages would be all/p_1_all.ipk") {
		t.Errorf("one path twice: got %v", err)
	}
	must(t, os.Truncate(dir+"/all/p_1_all.ipk", 100))
	if err := plan.Write(t.Context(), parent+"/out", WriteOptions{Options: options()}); err == nil {
		t.Error("a package that changed meanwhile: got no error")
	}
	if left, err := os.ReadDir(parent); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, error %v", left, err)
	}
}

func TestScanRefuses(t *testing.T) {
	p := fake{Name: "p", Version: "1"}
	for name, spoil := range map[string]func(dir string) error{
		"outside":    func(dir string) error { return os.Symlink(newFeed(t, p)+"/all/p_1_all.ipk", dir+"/all/l.ipk") },
		"file name":  func(dir string) error { return os.Rename(dir+"/all/p_1_all.ipk", dir+"/all/p\nSize: 1.ipk") },
		"no package": func(dir string) error { return os.WriteFile(dir+"/all/x.deb", []byte("x"), 0o600) },
	} {
		dir := newFeed(t, p)
		must(t, spoil(dir))
		if _, _, err := Scan(t.Context(), []string{dir}, options()); err == nil {
			t.Errorf("%s: got no error", name)
		}
	}
	dir := newFeed(t, p)
	must(t, os.Symlink("p_1_all.ipk", dir+"/all/link.ipk"))
	must(t, os.Mkdir(dir+"/all/dir.ipk", 0o700))
	must(t, os.Symlink("/", dir+"/all/root"))
	if got := len(scan(t, dir)); got != 2 {
		t.Errorf("got %d packages, want the file and the link to it", got)
	}
}
