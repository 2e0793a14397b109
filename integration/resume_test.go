// SPDX-License-Identifier: MPL-2.0

//go:build integration

package integration

import (
	"bufio"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// resumeXML has a stage whose steps 2 and 3 fail as long as files in its cache are missing.
func resumeXML(t *testing.T, more string) string {
	t.Helper()
	return "<redo>" + base(t) + `<buildstage id="s"><prestage>base</prestage><cache path="/cache"/>
	<action>ENV A="1"</action>
	<action>RUN echo half >/half; [ -e /cache/one ]</action>
	<action>RUN echo more >/more; [ -e /cache/two ]</action></buildstage>
<buildstage id="t"><prestage>base</prestage><action>COPY --from=s /half /half</action><action>RUN cat /half >/all` + more + `</action></buildstage></redo>`
}

// A build goes on at the step that failed: from any folder, with the options and the
// time of the failed one. What it makes is what the whole build would have made.
func TestResume(t *testing.T) {
	w := newWorld(t)
	w.file(t, "sub/a.xml", resumeXML(t, ""))
	at := func(dir string) { w.work = filepath.Join(w.dir, "work", dir) }
	at("sub")
	w.setenv("SOURCE_DATE_EPOCH=1500000000")
	if r := w.carosbuild(t, "a.xml", "-t", "t", "-B", "b1", "--push", "oci:out:{stage}"); r.status != 1 || !strings.Contains(r.stderr, "go on:       carosbuild resume b1") {
		t.Fatalf("status %d\n%s", r.status, r.stderr)
	}
	at("")
	w.setenv("SOURCE_DATE_EPOCH=") // it is that of the failed build
	if r := w.carosbuild(t, "resume"); r.status != 1 {
		t.Errorf("a step that fails again: status %d\n%s", r.status, r.stderr)
	}
	w.ok(t, program(t), "shell", "b1:s-failure", "/bin/touch", "/cache/one", "/cache/two")
	r := w.ok(t, program(t), "resume", "--progress=plain")
	if diff := cmp.Diff(executed(r.stderr), []string{"s 2/3", "s 3/3", "t 1/2", "t 2/2"}); diff != "" {
		t.Errorf("steps (-got +want):\n%s\n%s", diff, r.stderr)
	}
	if _, err := os.Stat(filepath.Join(w.work, "sub/out/index.json")); err != nil || !strings.Contains(r.stdout, "b1:t") {
		t.Errorf("it is not the build that failed: %v\n%s%s", err, r.stdout, r.stderr)
	}
	w.setenv("SOURCE_DATE_EPOCH=1500000000")
	if r := w.ok(t, program(t), "sub/a.xml", "-t", "t"); !strings.Contains(r.stderr, "nothing to do") {
		t.Errorf("its results are not those of a build:\n%s", r.stderr)
	}
	if out := w.ok(t, program(t), "images", "b1").stdout; strings.Contains(out, "failure") || strings.Contains(out, "skipped") {
		t.Errorf("the half-done stage is left:\n%s", out)
	}
	for _, args := range [][]string{{"resume"}, {"resume", "none"}, {"resume", "../b1"}, {"resume", "b1", "--no-cache"}} {
		if r := w.carosbuild(t, args...); r.status != 2 {
			t.Errorf("%q: status %d\n%s", args, r.status, r.stderr)
		}
	}
}

// With --skip a step counts as done that failed. Nothing of it is taken for the result of
// a step that has not.
func TestResumeSkip(t *testing.T) {
	w := newWorld(t)
	w.file(t, "a.xml", resumeXML(t, ""))
	cache := []string{"--cache", "oci:steps"}
	if r := w.carosbuild(t, append([]string{"a.xml", "-t", "t", "-B", "b1"}, cache...)...); r.status != 1 {
		t.Fatal(r.stderr)
	}
	index := w.read(t, "steps/index.json")
	w.ok(t, program(t), "shell", "--keep", "b1:s-failure", "/bin/sh", "-c", "echo by hand >>/half")
	r := w.carosbuild(t, "resume", "--skip", "--progress=plain") // the next one fails
	if r.status != 1 || !strings.Contains(r.stderr, "step 2/3 counts as done although it failed (exit status 1)") || !strings.Contains(r.stderr, "stage s: RUN failed") {
		t.Fatalf("status %d\n%s", r.status, r.stderr)
	}
	r = w.ok(t, program(t), "resume", "b1", "--skip", "--progress=plain")
	if diff := cmp.Diff(executed(r.stderr), []string{"t 1/2", "t 2/2"}); diff != "" || strings.Count(r.stderr, "counts as done") != 2 {
		t.Errorf("steps (-got +want):\n%s\n%s", diff, r.stderr)
	}
	if got := w.ok(t, program(t), "shell", "b1:t", "/bin/cat", "/all").stdout; got != "half\nby hand\n" {
		t.Errorf("the stage has %q", got)
	}
	checkSkipped(t, w)
	if r := w.carosbuild(t, "release", "b1", "--to", "out"); r.status != 1 || !strings.Contains(r.stderr, "step 2 of stage s failed and counts as done") {
		t.Errorf("a release: status %d\n%s", r.status, r.stderr)
	}
	if got := w.read(t, "steps/index.json"); string(got) != string(index) {
		t.Errorf("results were put into the cache:\n%s", got)
	}
	// Honest builds, here and on a machine that has the cache, run the step.
	w.ok(t, program(t), "shell", "b1:base", "/bin/true")
	other := newWorld(t)
	other.file(t, "a.xml", resumeXML(t, ""))
	for name, got := range map[string]result{
		"here": w.carosbuild(t, "a.xml", "-t", "t", "--progress=plain"), "with -b": w.carosbuild(t, "a.xml", "-t", "t", "-b", "b*", "--progress=plain"),
		"elsewhere": other.carosbuild(t, "a.xml", "-t", "t", "--progress=plain", "--cache-from", "oci:"+filepath.Join(w.work, "steps")),
	} {
		if got.status != 1 || !strings.Contains(got.stderr, "[s] 2/3 RUN echo half") {
			t.Errorf("%s: status %d\n%s", name, got.status, got.stderr)
		}
	}
	why := w.ok(t, program(t), "why", "a.xml", "-t", "t").stdout
	if strings.Contains(why, "skipped") || !strings.Contains(why, "s 2/3") {
		t.Errorf("why says\n%s", why)
	}
}

// checkSkipped looks at what tells of skipped steps.
func checkSkipped(t *testing.T, w *world) {
	t.Helper()
	var rows []struct{ Stage, Status string }
	if err := json.Unmarshal([]byte(w.ok(t, program(t), "images", "--json", "b1").stdout), &rows); err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, r := range rows {
		got[r.Stage] = r.Status
	}
	if got["s"] != "skipped" || got["t"] != "skipped" || got["base"] != "done" || got["s-failure"] != "" {
		t.Errorf("images have %v", got)
	}
	logs := filepath.Join(w.dir, "home/.local/state/carosbuild/logs/b1")
	data, err := os.ReadFile(filepath.Join(logs, "build.json"))
	var report struct {
		Stages []struct {
			ID    string
			Steps []struct{ Status string }
		}
	}
	if err != nil || json.Unmarshal(data, &report) != nil {
		t.Fatalf("%v\n%s", err, data)
	}
	for _, s := range report.Stages {
		if s.ID == "s" && (s.Steps[0].Status != "done" || s.Steps[1].Status != "skipped" || s.Steps[2].Status != "skipped") {
			t.Errorf("the report has %+v", s)
		}
	}
	if log, err := os.ReadFile(filepath.Join(logs, "s.log")); err != nil || !strings.Contains(string(log), "==> step 2/3 counts as done although it failed") {
		t.Errorf("the log has %s, %v", log, err)
	}
	if st, err := os.Stat(filepath.Join(logs, "command.json")); err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("the command: %v, %v", st, err)
	}
}

// Another declaration may be given; what comes before a skipped step is to be the same.
func TestResumeChanged(t *testing.T) {
	w := newWorld(t)
	w.file(t, "a.xml", resumeXML(t, ""))
	if r := w.carosbuild(t, "a.xml", "-t", "t", "-B", "b1", "--remote", "x=https://me:secret@example.org/"); r.status != 1 {
		t.Fatal(r.stderr)
	}
	logs := filepath.Join(w.dir, "home/.local/state/carosbuild/logs/b1")
	for _, file := range []string{"command.json", "plan.json", "build.json"} {
		if data, err := os.ReadFile(filepath.Join(logs, file)); err != nil || strings.Contains(string(data), "secret") {
			t.Errorf("%s: %v\n%s", file, err, data)
		}
	}
	if r := w.carosbuild(t, "resume", "--skip"); r.status != 2 || !strings.Contains(r.stderr, "--remote with a password") {
		t.Errorf("status %d\n%s", r.status, r.stderr)
	}
	again := []string{"--remote", "x=https://me:secret@example.org/", "--progress=plain"}
	w.file(t, "before.xml", strings.Replace(resumeXML(t, ""), `A="1"`, `A="2"`, 1))
	if r := w.carosbuild(t, append([]string{"resume", "b1", "before.xml", "--skip"}, again...)...); r.status != 2 || !strings.Contains(r.stderr, "has changed") {
		t.Errorf("status %d\n%s", r.status, r.stderr)
	}
	w.file(t, "after.xml", strings.Replace(resumeXML(t, "; echo changed >>/all"), "[ -e /cache/two ]", "true", 1))
	r := w.ok(t, program(t), append([]string{"resume", "b1", "after.xml", "--skip"}, again...)...)
	if got := w.ok(t, program(t), "shell", "b1:t", "/bin/cat", "/all").stdout; got != "half\nchanged\n" || !slices.Contains(executed(r.stderr), "s 3/3") {
		t.Errorf("the stage has %q\n%s", got, r.stderr)
	}
}

// On a terminal, a step that fails opens a shell; the exit status stays that of the build.
func TestOnFailureShell(t *testing.T) {
	w := newWorld(t)
	w.file(t, "a.xml", resumeXML(t, ""))
	w.setenv("NO_COLOR=1")
	cmd := w.command(t.Context(), tool(t, "script"), "-qec", program(t)+" a.xml -t t -B b1 --on-failure=shell --push-failed oci:out", "/dev/null")
	cmd.Stdin = strings.NewReader("cat /half; echo A is $A; echo typed >/half\nexit 9\n")
	r := ran(t, cmd)
	if r.status != 1 || !strings.Contains(r.stdout, "A is 1") || !strings.Contains(r.stdout, "\r\nhalf\r\n") || strings.Count(r.stdout, "error: stage s: RUN failed") != 1 {
		t.Errorf("status %d\n%s", r.status, r.stdout)
	}
	for from, want := range map[string]string{"b1:s-failure": "typed\n", "oci:out": "half\n"} {
		if got := w.ok(t, program(t), "shell", from, "/bin/cat", "/half").stdout; got != want {
			t.Errorf("%s has %q", from, got)
		}
	}
}

// A build that was killed is gone on with at the step that it was in; one that runs is not.
func TestResumeKilled(t *testing.T) {
	w := newWorld(t)
	w.file(t, "a.xml", "<redo>"+base(t)+`<buildstage id="s"><prestage>base</prestage><cache path="/cache"/><action>RUN echo one >/one</action>
	<action>RUN echo begun; [ -e /cache/go ] || sleep 100</action></buildstage></redo>`)
	ctx, kill := context.WithCancel(t.Context())
	defer kill()
	cmd := w.command(ctx, program(t), "a.xml", "-B", "b1", "--progress=plain")
	progress, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(progress)
	for lines.Scan() && !strings.HasSuffix(lines.Text(), "| begun") {
	}
	if r := w.carosbuild(t, "resume"); r.status != 2 || !strings.Contains(r.stderr, "build b1 is still running") {
		t.Errorf("while it runs: status %d\n%s", r.status, r.stderr)
	}
	kill()
	if err := cmd.Wait(); err == nil {
		t.Error("the build was not killed")
	}
	if r := w.carosbuild(t, "resume", "--skip"); r.status != 2 {
		t.Errorf("--skip: status %d\n%s", r.status, r.stderr)
	}
	// The processes of the step end a moment after the build.
	w.file(t, "b.xml", string(w.read(t, "a.xml"))[:len(w.read(t, "a.xml"))-len("</redo>")]+`<buildstage id="go"><prestage>base</prestage><cache path="/cache"/><action>RUN touch /cache/go</action></buildstage></redo>`)
	w.ok(t, program(t), "b.xml", "-t", "go", "-B", "go")
	r := w.ok(t, program(t), "resume", "b1", "--progress=plain")
	if diff := cmp.Diff(executed(r.stderr), []string{"s 2/2"}); diff != "" {
		t.Errorf("steps (-got +want):\n%s\n%s", diff, r.stderr)
	}
}
