// SPDX-License-Identifier: MPL-2.0

//go:build integration

package integration

import (
	"bufio"
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// slowStage has a stage that takes some seconds, whose output tries to act on a terminal.
func slowStage(t *testing.T, last string) string {
	return "<redo>" + base(t) + `
		<buildstage id="slow"><prestage>base</prestage><action><![CDATA[RUN printf 'first \033[31mred\033[0m <script>alert(1)</script>\n'; sleep 3; echo middle]]></action>
		<action>RUN mkdir -p /srv; head -c 300000 /dev/zero &gt; '/srv/&lt;img src=x&gt;'; sleep 1; echo ` + last + `</action></buildstage>
	</redo>`
}

// background starts a build.
func (w *world) background(t *testing.T, args ...string) (wait func() error, kill func()) {
	t.Helper()
	cmd := w.command(t.Context(), program(t), append([]string{"--progress=quiet"}, args...)...)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return cmd.Wait, func() {
		if err := cmd.Process.Signal(syscall.SIGKILL); err != nil {
			t.Error(err)
		}
	}
}

// untilRunning waits until a build has events.
func (w *world) untilRunning(t *testing.T, id string) {
	t.Helper()
	for range 600 {
		if _, err := os.Stat(filepath.Join(w.dir, "home/.local/state/carosbuild/logs", id, "events.jsonl")); err == nil {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Fatalf("build %s has not begun", id)
}

// TestLogsOfARunningBuild follows a build from another process, which ends with the build.
func TestLogsOfARunningBuild(t *testing.T) {
	w := newWorld(t)
	w.file(t, "a.xml", slowStage(t, "last"))
	wait, _ := w.background(t, "a.xml", "-B", "one")
	w.untilRunning(t, "one")
	follow := w.command(t.Context(), program(t), "logs", "--follow")
	out, err := follow.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := follow.Start(); err != nil {
		t.Fatal(err)
	}
	var text string
	var seen, ended time.Time
	for s := bufio.NewScanner(out); s.Scan(); text += s.Text() + "\n" {
		if strings.Contains(s.Text(), "| first") {
			seen = time.Now()
		}
		ended = time.Now()
	}
	if err := follow.Wait(); err != nil {
		t.Errorf("logs --follow: %v", err)
	}
	if err := wait(); err != nil {
		t.Fatalf("build: %v", err)
	}
	if ended.Sub(seen) < 2*time.Second {
		t.Errorf("the first line was seen %s before the end only", ended.Sub(seen))
	}
	for _, want := range []string{"build one: 2 stages, 5 steps\n", "[slow]   | first \ufffd[31mred\ufffd[0m <script>", "[slow]   | middle\n", "[slow]   | last\n", "stored as one:slow\n", "build ended with exit status 0 after "} {
		if !strings.Contains(text, want) {
			t.Errorf("the log lacks %q:\n%s", want, text)
		}
	}
	if strings.Contains(text, "\x1b") {
		t.Error("the log acts on terminals")
	}
	if again := w.ok(t, program(t), "logs", "one"); again.stdout != text {
		t.Errorf("afterwards the log is\n%s", again.stdout)
	}
	if one := w.ok(t, program(t), "logs", "slow"); strings.Contains(one.stdout, "[base]") || !strings.Contains(one.stdout, "| last\n") {
		t.Errorf("the log of a stage:\n%s", one.stdout)
	}
	if none := w.ok(t, program(t), "logs", "--since", "0s"); none.stdout != "" {
		t.Errorf("since now: %s", none.stdout)
	}
	if unknown := w.carosbuild(t, "logs", "nosuch"); unknown.status != 2 || !strings.Contains(unknown.stderr, "there are: one") {
		t.Errorf("%+v", unknown)
	}
	w.checkPrivate(t, "one")
	w.expected(t)
	w.ok(t, program(t), "prune", "one", "two")
	if _, err := os.Stat(filepath.Join(w.dir, "home/.local/state/carosbuild/logs/one")); !os.IsNotExist(err) {
		t.Errorf("events of a build that was removed: %v", err)
	}
}

func (w *world) checkPrivate(t *testing.T, id string) {
	t.Helper()
	st, err := os.Stat(filepath.Join(w.dir, "home/.local/state/carosbuild/logs", id, "events.jsonl"))
	if err != nil || st.Mode() != 0o600 || st.Sys().(*syscall.Stat_t).Uid != uint32(os.Getuid()) {
		t.Errorf("%v %v", st.Mode(), err)
	}
}

// expected: the second build of a declaration knows about how long it takes.
func (w *world) expected(t *testing.T) {
	t.Helper()
	w.file(t, "a.xml", slowStage(t, "other"))
	r := w.ok(t, program(t), "--progress=json", "a.xml", "-B", "two")
	m := regexp.MustCompile(`"kind":"estimate","seconds":(\d+),"expected_end":"[^"]+"}`).FindStringSubmatch(r.stderr)
	if m == nil || m[1] == "0" {
		t.Errorf("nothing is expected:\n%s", tailOf(r.stderr))
	}
	if kept := w.ok(t, program(t), "logs", "--json", "two"); !strings.Contains(kept.stdout, `"kind":"estimate"`) || !strings.HasSuffix(strings.TrimSpace(kept.stdout), `"exit_status":0}`) {
		t.Errorf("the events that were kept:\n%s", tailOf(kept.stdout))
	}
	if first := w.ok(t, program(t), "logs", "--json", "one"); strings.Contains(first.stdout, `"kind":"estimate"`) {
		t.Error("the first build expects something")
	}
}

// TestLogsOfAKilledBuild: who follows is told, and does not wait for ever.
func TestLogsOfAKilledBuild(t *testing.T) {
	w := newWorld(t)
	w.file(t, "a.xml", slowStage(t, "last"))
	wait, kill := w.background(t, "a.xml", "-B", "killed")
	w.untilRunning(t, "killed")
	follow := w.command(t.Context(), program(t), "logs", "-f", "killed")
	var errs bytes.Buffer
	follow.Stderr = &errs
	if err := follow.Start(); err != nil {
		t.Fatal(err)
	}
	time.Sleep(time.Second)
	kill()
	_ = wait() // it was killed
	if err := follow.Wait(); err != nil || !strings.Contains(errs.String(), "note: build killed was killed") {
		t.Errorf("%v\n%s", err, errs.String())
	}
}

// TestLogsOfAFailedStep prints that step alone, and ends like other programs when nobody
// reads.
func TestLogsOfAFailedStep(t *testing.T) {
	w := newWorld(t)
	w.file(t, "a.xml", "<redo>"+base(t)+`<buildstage id="bad"><prestage>base</prestage><action>RUN seq 100000</action><action>RUN echo this one; exit 7</action></buildstage></redo>`)
	if r := w.carosbuild(t, "--progress=quiet", "a.xml", "-B", "failed"); r.status != 1 {
		t.Fatalf("%+v", r)
	}
	r := w.ok(t, program(t), "logs", "--failed")
	if !strings.Contains(r.stdout, "| this one\n") || !strings.Contains(r.stdout, "error: RUN failed: exit status 7") || strings.Contains(r.stdout, "seq") {
		t.Errorf("the log of the failed step:\n%s", tailOf(r.stdout))
	}
	if r := w.run(t, "bash", "-c", program(t)+" logs failed | head -1; exit ${PIPESTATUS[0]}"); r.status != 141 || r.stderr != "" {
		t.Errorf("when nobody reads: status %d, %s", r.status, r.stderr)
	}
	if r := w.ok(t, program(t), "report", "failed"); !strings.Contains(r.stdout, "build failed (failed): 5 steps, 0 cached") {
		t.Errorf("%s", r.stdout)
	}
	w.ok(t, program(t), "report", "failed", "--to", "page")
	w.checkPage(t, "page/index.html", "Stage bad failed", "exit status 7", "this one")
}

// checkPage holds a page against foreign readers.
func (w *world) checkPage(t *testing.T, name string, wants ...string) {
	t.Helper()
	page := string(w.read(t, name))
	for _, want := range wants {
		if !strings.Contains(page, want) {
			t.Errorf("%s lacks %s", name, want)
		}
	}
	for _, bad := range []string{"<script", "<img", "\x1b"} {
		if strings.Contains(page, bad) {
			t.Errorf("%s has %q", name, bad)
		}
	}
	w.ok(t, tool(t, "xmllint"), "--noout", name)
	r := w.ok(t, tool(t, "xmllint"), "--html", "--noout", name)
	for line := range strings.Lines(r.stderr) { // it knows the elements of HTML 4
		if strings.Contains(line, "error :") && !regexp.MustCompile(`Tag [a-z]+ invalid`).MatchString(line) {
			t.Error(line)
		}
	}
}

// TestReportPage makes the page of a build and has it served.
func TestReportPage(t *testing.T) {
	w := newWorld(t)
	w.file(t, "a.xml", slowStage(t, "last"))
	w.build(t, "a.xml", "-B", "one")
	w.file(t, "a.xml", slowStage(t, "other"))
	w.build(t, "a.xml", "-B", "two")
	if r := w.ok(t, program(t), "report", "two", "--to", "page"); r.stdout != "page/index.html\n" {
		t.Errorf("%q", r.stdout)
	}
	wants := []string{"By directory", "/srv/&lt;img src=x&gt;", "Since build <b>one</b>", "echo other", "cached", "rect class=\"done\"", "rect class=\"cached\"", "last"}
	w.checkPage(t, "page/index.html", wants...)
	if log := w.read(t, "page/logs/slow.txt"); !strings.Contains(string(log), "\nother\n") {
		t.Errorf("the log beside the page: %s", log)
	}
	if r := w.carosbuild(t, "report", "two", "--to", "page"); r.status != 1 || !strings.Contains(r.stderr, "page is not empty") {
		t.Errorf("%+v", r)
	}
	url, stop := w.serve(t, "two")
	defer stop()
	if status, page := fetch(t, url+"/"); status != 200 || !bytes.Contains(page, []byte(`href="./report.html"`)) {
		t.Errorf("the page of the build: %d", status)
	}
	status, page := fetch(t, url+"/report.html")
	if status != 200 {
		t.Fatalf("the served report: %d %s", status, page)
	}
	w.file(t, "served.html", string(page))
	w.checkPage(t, "served.html", append(wants[:len(wants)-1], `href="./logs/slow.log"`)...)
	if status, page := fetch(t, url+"/builds/one/report.html"); status != 200 || !bytes.Contains(page, []byte("echo last")) || bytes.Contains(page, []byte("By directory")) {
		t.Errorf("the report of another build: %d\n%s", status, page)
	}
}

// TestFullLogs: where logs are there is no room for what a step prints. The build is not less
// done, it says so once, and what was kept are whole events.
func TestFullLogs(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only the superuser mounts a small file system for a builder")
	}
	w := newWorld(t)
	w.file(t, "a.xml", "<redo>"+base(t)+`<buildstage id="loud"><prestage>base</prestage><action>RUN seq 100000</action></buildstage></redo>`)
	if err := os.Mkdir(filepath.Join(w.work, "small"), 0o700); err != nil {
		t.Fatal(err)
	}
	w.setenv("XDG_STATE_HOME=" + filepath.Join(w.work, "small"))
	script := `set -e
		mount -t tmpfs -o size=600k small small
		"$0" --progress=plain a.xml -B full >build.out 2>build.err; echo status $?
		"$0" logs --json full >kept.json; tail -c 1 kept.json | od -An -tx1
		grep -c 'keep the events of a build: .*no space left' build.err`
	r := w.ok(t, "unshare", "--mount", "sh", "-c", script, program(t))
	if r.stdout != "status 0\n 0a\n1\n" {
		t.Errorf("%s%s%s", r.stdout, r.stderr, tailOf(string(w.read(t, "build.err"))))
	}
	kept := w.read(t, "kept.json")
	for line := range bytes.Lines(kept) {
		if !json.Valid(line) {
			t.Errorf("no event: %s", line)
		}
	}
	if !bytes.Contains(kept, []byte(`"kind":"step-output"`)) {
		t.Errorf("nothing was kept:\n%s", tailOf(string(kept)))
	}
}
