// SPDX-License-Identifier: MPL-2.0

//go:build integration

package integration

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const declarations = "../../shared/declarations/"

// redomatChain is a declaration of three stages, and one that fails.
func redomatChain(t *testing.T) string {
	t.Helper()
	return "<redo>" + base(t) + `
		<buildstage id="middle"><prestage>base</prestage><action>RUN echo middle > /m</action></buildstage>
		<buildstage id="top"><prestage>middle</prestage><action>RUN cat /m; echo top > /t</action></buildstage></redo>`
}

// rows are the lines of "carosbuild images" as BUILDID:STAGE STATUS.
func (w *world) rows(t *testing.T, args ...string) []string {
	t.Helper()
	var rows []struct{ BuildID, Stage, Status string }
	out := w.ok(t, program(t), append([]string{"images", "--json"}, args...)...).stdout
	if err := json.Unmarshal([]byte(strings.ReplaceAll(out, "build_id", "BuildID")), &rows); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, r := range rows {
		got = append(got, r.BuildID+":"+r.Stage+" "+r.Status)
	}
	return got
}

// TestRedomatTags has the names that redomat's images had, with their meaning.
func TestRedomatTags(t *testing.T) {
	w := newWorld(t)
	w.file(t, "a.xml", redomatChain(t))
	w.file(t, "bad.xml", strings.Replace(redomatChain(t), "cat /m", "touch /half; exit 1", 1))
	if out := w.ok(t, program(t), "a.xml", "-B", "One!", "--success-tag", "registry.example.org:5000/team/top:1").stdout; out != "one:top\n" {
		t.Errorf("stdout %q", out)
	}
	// A failed build fails, which redomat's did not, and -F keeps nothing of it.
	for _, args := range [][]string{{"-B", "two"}, {"-B", "three", "-F"}, {"-B", "four", "--success-tag", "a/b:1"}} {
		if r := w.carosbuild(t, append([]string{"bad.xml"}, args...)...); r.status != 1 {
			t.Errorf("%v: exit status %d, want 1\n%s", args, r.status, r.stderr)
		}
	}
	want := []string{
		"four:base done", "four:middle done", "four:top-failure failed", "three:base done", "three:middle done",
		"two:base done", "two:middle done", "two:top-failure failed", "one:base done", "one:middle done", "one:top done",
	}
	if diff := cmp.Diff(w.rows(t), want); diff != "" {
		t.Errorf("images (-got +want):\n%s", diff)
	}
	want = []string{"one:base done", "one:base-start start", "one:middle done", "one:middle-start start", "one:top done", "one:top-start start"}
	if diff := cmp.Diff(w.rows(t, "--all", "o*"), want); diff != "" {
		t.Errorf("images --all (-got +want):\n%s", diff)
	}
	if got := w.ok(t, program(t), "images", "one").stdout; !regexp.MustCompile(`(?m)\ABUILD ID +STAGE +DECLARATION +TARGET +IMAGE +AGE +SIZE +STATUS\none +base +\S+ +\S+( \S+)? +[0-9a-f]{12}  just now +\S+ MiB  done\n`).MatchString(got) {
		t.Errorf("the table is\n%s", got)
	}
	for name, files := range map[string]string{"one:top-start": "/m\n", "one:top": "/m\n/t\n", "two:top-failure": "/half\n/m\n"} {
		if got := w.ok(t, program(t), "shell", name, "/bin/sh", "-c", "ls -d /half /m /t 2>/dev/null; true").stdout; got != files {
			t.Errorf("%s has %q, want %q", name, got, files)
		}
	}
	podman := tool(t, "podman")
	w.ok(t, podman, "image", "exists", "registry.example.org:5000/team/top:1")
	if w.run(t, podman, "image", "exists", "localhost/a/b:1").status == 0 {
		t.Error("the success tag is on a build that failed")
	}
}

// TestEntry starts builds from stored images. What comes out is compared with a
// build of everything.
func TestEntry(t *testing.T) {
	w := newWorld(t)
	w.file(t, "a.xml", redomatChain(t))
	w.build(t, "a.xml", "-B", "one")
	w.file(t, "a.xml", strings.Replace(redomatChain(t), "echo middle", "echo other", 1))
	show := func(name string) string {
		t.Helper()
		return w.ok(t, program(t), "shell", name, "/bin/cat", "/m", "/t").stdout
	}
	for _, tt := range []struct {
		id, args string
		ran      []string
		want     string
	}{
		{"all", "", []string{"middle 1/1", "top 1/1"}, "other\ntop\n"},
		{"match", "-b one", []string{"middle 1/1", "top 1/1"}, "middle\ntop\n"}, // middle is taken, not built
		{"again", "-b o*", nil, "middle\ntop\n"},
		{"parent", "-b one -t middle", []string{"base 1/1", "middle 1/1"}, "other\n"},
		{"upgrade", "-U one:top -e middle", []string{"middle 1/2", "middle 2/2", "top 1/1"}, "other\ntop\n"},
		{"target", "-U registry.example.org/old:1", []string{"top 1/2", "top 2/2"}, "middle\ntop\n"},
	} {
		if tt.id == "target" {
			w.ok(t, program(t), "a.xml", "-b", "one", "-B", "tagged", "--success-tag", "registry.example.org/old:1")
		}
		r, ran := w.build(t, append([]string{"a.xml", "-B", tt.id}, strings.Fields(tt.args)...)...)
		if diff := cmp.Diff(ran, tt.ran); diff != "" {
			t.Errorf("%s: steps executed (-got +want):\n%s%s", tt.id, diff, r.stderr)
		}
		if tt.id == "parent" {
			continue
		}
		if got := show(tt.id + ":top"); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.id, got, tt.want)
		}
	}
}

// Builds of another user in the same store are not seen, and not replaced.
func TestForeignBuilds(t *testing.T) {
	w := newWorld(t)
	w.file(t, "a.xml", redomatChain(t))
	for _, id := range []string{"mine", "older", "bobs"} {
		w.build(t, "a.xml", "-B", id)
	}
	owners := filepath.Join(w.graph, "carosbuild/builds")
	note, err := os.ReadFile(filepath.Join(owners, "bobs.json"))
	if err != nil {
		t.Fatal(err)
	}
	other := regexp.MustCompile(`"owner":"[^"]+"`).ReplaceAll(note, []byte(`"owner":"bob of elsewhere"`))
	if err := os.WriteFile(filepath.Join(owners, "bobs.json"), other, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(owners, "older.json")); err != nil { // as an older version left it
		t.Fatal(err)
	}
	seen := func(args ...string) []string {
		var ids []string
		for _, r := range w.rows(t, args...) {
			id, _, _ := strings.Cut(r, ":")
			ids = append(ids, id)
		}
		slices.Sort(ids)
		return slices.Compact(ids)
	}
	if diff := cmp.Diff(seen(), []string{"mine", "older"}); diff != "" {
		t.Errorf("builds seen (-got +want):\n%s", diff)
	}
	if diff := cmp.Diff(seen("--foreign"), []string{"bobs", "mine", "older"}); diff != "" {
		t.Errorf("builds seen with --foreign (-got +want):\n%s", diff)
	}
	for _, args := range [][]string{
		{"shell", "bobs:top", "/bin/true"}, {"export", "bobs:top", "--to", "oci:x"}, {"results", "bobs", "--to", "x"}, {"serve", "bobs"}, {"a.xml", "-B", "bobs"}, {"-n", "a.xml", "-U", "bobs:middle"},
	} {
		if r := w.carosbuild(t, args...); r.status != 2 {
			t.Errorf("%v: exit status %d, want 2\n%s", args, r.status, r.stderr)
		}
	}
	// There is nothing to run, but what is there was not seen by that name.
	if out := w.ok(t, program(t), "a.xml").stdout; strings.HasPrefix(out, "bobs:") {
		t.Errorf("a build of another user is the result: %s", out)
	} else if id, _, _ := strings.Cut(out, ":"); !slices.Contains(seen(), id) {
		t.Errorf("the result %s is not listed", out)
	}
	w.ok(t, program(t), "shell", "-f", "bobs:top", "/bin/true")
	if r := w.carosbuild(t, "results", "-f", "bobs", "--to", "x"); !strings.Contains(r.stderr, "build bobs has nothing to write") {
		t.Errorf("results of a build that is seen:\n%s", r.stderr)
	}
	w.ok(t, program(t), "export", "bobs:top", "--to", "oci:x", "--foreign")
	w.ok(t, program(t), "a.xml", "-f", "-B", "bobs")
	if got := seen("[bmo]*"); !slices.Equal(got, []string{"bobs", "mine", "older"}) {
		t.Errorf("builds seen after one was taken: %v", got)
	}
	if diff := cmp.Diff(seen("bobs"), []string{"bobs"}); diff != "" {
		t.Errorf("the build that was taken (-got +want):\n%s", diff)
	}
}

// TestRedomatExamples runs the declarations that came with redomat, unchanged,
// on base images that are busybox.
func TestRedomatExamples(t *testing.T) {
	examples, err := filepath.Abs(declarations + "redomat-example")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(examples); err != nil {
		missing(t, "redomat's examples are not here: "+err.Error())
	}
	w := newWorld(t)
	w.file(t, "base.xml", "<redo>"+base(t)+`<buildstage id="s"><prestage>base</prestage><action>RUN mkdir -p /etc/init.d /tmp</action><action>RUN touch /etc/init.d/rc</action></buildstage></redo>`)
	w.build(t, "base.xml", "-B", "x")
	registry := startRegistry(t, w)
	for _, name := range []string{"busybox:latest", "ubuntu:14.04"} {
		w.ok(t, program(t), "push", "x:s", registry+"/"+name)
	}
	conf := w.file(t, "registries.conf", "unqualified-search-registries = [\""+registry+"\"]\n[[registry]]\nlocation = \""+registry+"\"\ninsecure = true\n")
	w.setenv("CONTAINERS_REGISTRIES_CONF=" + conf)
	r, _ := w.build(t, filepath.Join(examples, "example.xml"), "-B", "one", "-t", "stage3")
	if !strings.Contains(r.stderr, "[stage1]   | hello world\n") || !strings.Contains(r.stderr, "[stage1]   | /etc/init.d/rc\n") || !strings.Contains(r.stderr, "[stage3]   | hello 4 stage3\n") {
		t.Errorf("the progress is\n%s", r.stderr)
	}
	if got := w.ok(t, program(t), "shell", "one:stage3", "/bin/sh", "-c", "ls -d /REDO/*; head -c5 /foo-passwd").stdout; got != "/REDO/build\n/REDO/source\nroot:" {
		t.Errorf("stage3 has %q", got)
	}
	r, _ = w.build(t, filepath.Join(examples, "example-base.xml"), filepath.Join(examples, "example-overlay.xml"), "-B", "two")
	if r.stdout != "two:003-hello-finish\n" || !strings.Contains(r.stderr, "| hello finish done!\n") {
		t.Errorf("stdout %q, progress\n%s", r.stdout, r.stderr)
	}
	if got := w.ok(t, program(t), "shell", "two:003-hello-finish", "/bin/sh", "-c", "cat /REDO-copy/foobar.txt; tar tf /REDO/copy.tar | grep -c foobar").stdout; got != "Hello World\n1\n" {
		t.Errorf("003-hello-finish has %q", got)
	}
	if _, ran := w.build(t, filepath.Join(examples, "example-base.xml"), "-B", "three"); len(ran) != 0 {
		t.Errorf("its base alone ran %v", ran)
	}
}

// TestLockFile builds under a lock file while the registry moves, on the host
// that wrote it and on another one.
func TestLockFile(t *testing.T) {
	w, other := newWorld(t), newWorld(t)
	w.file(t, "base.xml", redomatChain(t))
	w.build(t, "base.xml", "-B", "x")
	registry := startRegistry(t, w)
	w.ok(t, program(t), "push", "x:middle", registry+"/a:1")
	const text = `<redo><buildstage id="s"><action>FROM REGISTRY/a:1</action><action>RUN ls -d /m /t || true; touch /s</action></buildstage></redo>`
	for _, x := range []*world{w, other} {
		x.file(t, "a.xml", strings.ReplaceAll(text, "REGISTRY", registry))
	}
	if r := other.carosbuild(t, "a.xml", "--locked"); r.status != 3 || !strings.Contains(r.stderr, "there is no a.xml.lock") {
		t.Errorf("without a lock file: exit status %d\n%s", r.status, r.stderr)
	}
	w.ok(t, program(t), "lock", "a.xml")
	lock, err := os.ReadFile(filepath.Join(w.work, "a.xml.lock"))
	if err != nil {
		t.Fatal(err)
	}
	other.file(t, "a.xml.lock", string(lock))
	w.ok(t, program(t), "push", "x:top", registry+"/a:1") // the tag moves
	keys := func(x *world, args ...string) string {
		t.Helper()
		return x.ok(t, program(t), append([]string{"plan", "a.xml", "--json"}, args...)...).stdout
	}
	before := keys(w)
	for _, args := range [][]string{nil, {"--locked"}} {
		if diff := cmp.Diff(keys(other, args...), before); diff != "" {
			t.Errorf("the plan of another host, %v (-got +want):\n%s", args, diff)
		}
	}
	r, _ := other.build(t, "a.xml", "--locked", "-B", "l")
	if strings.Contains(r.stderr, "| /t\n") || !strings.Contains(r.stderr, "| /m\n") {
		t.Errorf("a locked build took the image that is there now:\n%s", r.stderr)
	}
	r = other.run(t, program(t), "--progress=plain", "a.xml", "--update", "-B", "u")
	if r.status != 0 || !strings.Contains(r.stderr, "| /t\n") || strings.Count(r.stderr, "a.xml.lock has other images, packages or revisions than are built now") != 1 {
		t.Errorf("--update: exit status %d\n%s", r.status, r.stderr)
	}
	if r := w.ok(t, program(t), "lock", "a.xml"); !strings.Contains(r.stdout, "is unchanged") {
		t.Errorf("locked again: %s", r.stdout)
	}
	w.ok(t, program(t), "lock", "--update", "a.xml")
	if now, err := os.ReadFile(filepath.Join(w.work, "a.xml.lock")); err != nil || string(now) == string(lock) {
		t.Errorf("lock --update wrote what was there before (%v)", err)
	}
	if keys(w, "--locked") == before {
		t.Error("the updated lock leads to the plan of the former one")
	}
}

// Processes that an action leaves behind end with it; redomat's lived on through
// later actions and stages.
func TestProcessesEndWithTheirAction(t *testing.T) {
	w := newWorld(t)
	w.file(t, "a.xml", "<redo>"+base(t)+`<buildstage id="s"><prestage>base</prestage>
		<action>RUN sleep 4711 &gt;/dev/null 2&gt;&amp;1 &amp; sleep 0.1; echo first sees $(pidof sleep | wc -w)</action>
		<action>RUN echo second sees $(pidof sleep | wc -w)</action></buildstage></redo>`)
	r, _ := w.build(t, "a.xml")
	for _, want := range []string{"| first sees 1\n", "| second sees 0\n"} {
		if !strings.Contains(r.stderr, want) {
			t.Errorf("the output lacks %q:\n%s", want, r.stderr)
		}
	}
}
