// SPDX-License-Identifier: MPL-2.0

//go:build integration

package integration

import (
	"path/filepath"
	"strings"
	"testing"
)

// TestReposyncOfOther: a tree that was removed comes back; files of a commit
// that was put there without carosbuild, as in an image of redomat's, are
// replaced; a commit that nobody has any more does not stop a build.
func TestReposyncOfOther(t *testing.T) {
	w := newWorld(t)
	dir := filepath.Join(w.work, "git/poky")
	w.file(t, "git/poky/old", "1")
	w.repository(t, "poky", "meta")
	w.ok(t, "/bin/cp", "-r", dir, filepath.Join(w.work, "before"))
	w.git(t, dir, "rm", "--quiet", "old")
	w.file(t, "git/poky/new", "2")
	second := w.repository(t, "poky", "meta")
	w.ok(t, "/bin/cp", "-r", dir, filepath.Join(w.work, "gone"))
	w.file(t, "gone/lost", "3")
	w.git(t, filepath.Join(w.work, "gone"), "add", "--all")
	w.git(t, filepath.Join(w.work, "gone"), "commit", "--quiet", "-m", "lost")

	declaration := func(stages string) string {
		return `<redo><layer_declaration><remote name="local" baseurl="` + w.work + `/git/"/><baselayer remote="local" repo="poky" revision="` + second + `"/></layer_declaration>` +
			standinBase(t, w) + stages + `</redo>`
	}
	const show = `<action>RUN cd /REDO/source/poky; echo files: *; cat .git/refs/heads/carosbuild</action>`
	for name, tt := range map[string]struct{ before, want, note string }{
		"removed":   {before: `<reposync/><action>RUN rm -r /REDO/source/poky</action>`, want: "files: meta new"},
		"unlabeled": {before: `<action>ADD before /REDO/source/poky</action>`, want: "files: meta new"},
		"lost":      {before: `<action>ADD gone /REDO/source/poky</action>`, want: "files: lost meta new", note: "which was there before, may be left"},
		"hostile": {
			before: `<action>RUN mkdir -p /REDO/source/poky/.git/refs; mkfifo /REDO/source/poky/.git/x; echo ref: x &gt; /REDO/source/poky/.git/HEAD</action>`, want: "files: meta new",
		},
	} {
		t.Run(name, func(t *testing.T) {
			file := strings.ReplaceAll(name, " ", "-")
			w.file(t, file+".xml", declaration(`<buildstage id="s"><prestage>ubuntu</prestage>`+tt.before+`<reposync/>`+show+`</buildstage>`))
			r, _ := w.build(t, file+".xml", "-B", file)
			for _, want := range []string{"| " + tt.want + "\n", "| " + second + "\n", tt.note} {
				if !strings.Contains(r.stderr, want) {
					t.Errorf("no %q in\n%s", want, tailOf(r.stderr))
				}
			}
		})
	}
}
