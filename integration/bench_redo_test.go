// SPDX-License-Identifier: MPL-2.0

//go:build bench

package integration

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// absolute prints the median of what has no peer, with the goal in seconds.
func absolute(title string, goal float64, m measured) {
	fmt.Printf("\n%s\n  %-34s median %8.3f s  peak memory %4d MB\n  goal %.3f s\n", title, m.name, m.median().Seconds(), m.rss>>20, goal)
}

// benchRedo measures what redomat's declarations need: git trees and plans of
// many stages.
func benchRedo(t *testing.T, w *world) {
	benchReposync(t, w)
	benchPlan(t, w)
}

// benchReposync builds a stage with a git repository of 500 MB, then again
// with nothing to do, and with the step on record but asked for by another.
func benchReposync(t *testing.T, w *world) {
	random := rand.New(rand.NewPCG(1, 2))
	buf := make([]byte, 256<<10)
	for i := range 2000 {
		for k := range buf {
			buf[k] = byte(random.Uint32())
		}
		w.file(t, fmt.Sprintf("git/large/%d/%d", i/50, i), string(buf))
	}
	dir := filepath.Join(w.work, "git/large")
	git := []string{"git", "-C", dir, "-c", "user.name=Bench", "-c", "user.email=bench@example.org", "-c", "init.defaultBranch=master"}
	w.ok(t, git[0], append(git[1:], "init", "--quiet")...)
	w.ok(t, git[0], append(git[1:], "add", "--all")...)
	w.ok(t, git[0], append(git[1:], "commit", "--quiet", "-m", "large")...)
	w.file(t, "large-git.xml", `<redo><layer_declaration><remote name="local" baseurl="`+w.work+`/git/"/><baselayer remote="local" repo="large" revision="master"/></layer_declaration>
		<buildstage id="sync"><action>FROM scratch</action><reposync/></buildstage></redo>`)
	first := w.ok(t, program(t), "--progress=quiet", "large-git.xml", "-B", "bench")
	fmt.Printf("\n(j) REPOSYNC of a repository of 500 MB: first build %.1f s\n", first.took.Seconds())
	again := compare(t, w,
		job{name: "nothing moved", command: []string{program(t), "--progress=quiet", "large-git.xml"}},
		job{name: "nothing moved, another build id", command: []string{program(t), "--progress=quiet", "large-git.xml", "-B", "bench2"}})
	absolute("(j) the second build", 0.3, again[0])
	absolute("(j) the second build, with an id of its own", 0.3, again[1])
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
}

// benchPlan plans 200 stages with five steps each.
func benchPlan(t *testing.T, w *world) {
	var b strings.Builder
	b.WriteString(`<redo><buildstage id="s0"><action>FROM scratch</action></buildstage>`)
	for i := 1; i < 200; i++ {
		fmt.Fprintf(&b, `<buildstage id="s%d"><prestage>s%d</prestage>`, i, i-1)
		for k := range 5 {
			fmt.Fprintf(&b, "<action>RUN echo %d %d some longer command &amp;&amp; another one</action>", i, k)
		}
		b.WriteString("</buildstage>\n")
	}
	b.WriteString("</redo>")
	w.file(t, "plan.xml", b.String())
	plan := compare(t, w, job{name: "carosbuild plan", command: []string{program(t), "plan", "plan.xml"}})
	absolute("(k) the plan of 200 stages with 1000 steps, the program's start and its output included", 0.05, plan[0])
}
