// SPDX-License-Identifier: MPL-2.0

//go:build integration

package integration

import (
	"bufio"
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestOnlyWhatChanged(t *testing.T) {
	w := newWorld(t)
	w.file(t, "one", "1")
	w.file(t, "two/x", "2")
	w.file(t, "a.xml", "<redo>"+base(t)+`
		<buildstage id="left"><prestage>base</prestage><action>ADD one /one</action><action>RUN cat /one</action></buildstage>
		<buildstage id="right"><prestage>base</prestage><action>RUN true</action><action>COPY two /two</action><action>RUN ls /two</action></buildstage>
		<buildstage id="top"><prestage>left</prestage><action>COPY --from=right /two /right</action><action>RUN cat /right/x /one</action></buildstage></redo>`)
	all := []string{"base 1/3", "base 2/3", "base 3/3", "left 1/2", "left 2/2", "right 1/3", "right 2/3", "right 3/3", "top 1/2", "top 2/2"}
	steps := func() []string {
		t.Helper()
		_, ran := w.build(t, "a.xml")
		slices.Sort(ran)
		return ran
	}
	check := func(what string, want []string) {
		t.Helper()
		if diff := cmp.Diff(steps(), want); diff != "" {
			t.Errorf("%s: steps executed (-got +want):\n%s", what, diff)
		}
	}
	check("first build", all)
	check("nothing changed", nil)
	for _, f := range []string{"one", "two/x", "a.xml"} {
		now := time.Now()
		if err := os.Chtimes(filepath.Join(w.work, f), now, now); err != nil {
			t.Fatal(err)
		}
	}
	check("after touch", nil)
	why := func() string { t.Helper(); return w.ok(t, program(t), "why", "a.xml").stdout }
	if got := why(); got != "nothing would run: all 10 steps of 4 stages are cached\n" {
		t.Errorf("why, with nothing changed:\n%s", got)
	}
	w.file(t, "two/x", "3")
	if got := why(); !strings.HasPrefix(got, "right 2/3 COPY two /two\n  runs because file two/x changed since build 2") || strings.Count(got, "runs because") != 2 ||
		!strings.Contains(got, "top 1/2 COPY --from=right /two /right\n  runs because stage right changed since build 2") {
		t.Errorf("why, with one file changed:\n%s", got)
	}
	check("one added file changed", []string{"right 2/3", "right 3/3", "top 1/2", "top 2/2"})
	w.file(t, "two/x", "2")
	check("and back", nil)
}

// leftovers are processes and mounts that have to do with this world.
func (w *world) leftovers(t *testing.T) []string {
	t.Helper()
	var found []string
	procs, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range procs {
		for _, f := range []string{"cmdline", "mountinfo"} {
			data, err := os.ReadFile(filepath.Join(p, f))
			text := strings.ReplaceAll(string(data), "\x00", " ")
			if err == nil && filepath.Base(p) != "self" && (strings.Contains(text, w.dir) || strings.Contains(text, "sleep 31337")) {
				found = append(found, p+"/"+f+": "+text)
			}
		}
	}
	return found
}

// killAt starts a build and kills the outer process without warning, some time
// after its progress shows a text.
//
// The result is false when there was nothing left to do.
func (w *world) killAt(t *testing.T, text string, after time.Duration, args ...string) bool {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	cmd := w.command(ctx, program(t), append([]string{"--progress=plain"}, args...)...)
	errs, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	seen := false
	var log []string
	sc := bufio.NewScanner(errs)
	for sc.Scan() {
		log = append(log, sc.Text())
		if strings.Contains(sc.Text(), text) && !seen {
			seen = true
			time.Sleep(after)
			if err := cmd.Process.Signal(syscall.SIGKILL); err != nil {
				t.Logf("the build had ended %v after %q", after, text)
			}
		}
	}
	err = cmd.Wait()
	// A kill between the last commit and the naming of the images leaves no more
	// to do than that.
	if err == nil && !seen && len(executed(strings.Join(log, "\n"))) == 0 && strings.Contains(strings.Join(log, "\n"), "nothing to do") {
		return false
	}
	if !seen {
		t.Fatalf("the build never said %q (%v):\n%s", text, err, strings.Join(log, "\n"))
	}
	var left []string
	for range 100 {
		if left = w.leftovers(t); len(left) == 0 {
			return true
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Errorf("left behind after a kill at %q: %v", text, left)
	return true
}

func TestKill(t *testing.T) {
	w := newWorld(t)
	w.file(t, "a.xml", "<redo>"+base(t)+`
		<buildstage id="work"><prestage>base</prestage>
			<action>RUN echo first</action>
			<action>RUN touch /marker; echo sleeping; sleep 2; (sleep 31337 &amp;) ; echo slept</action>
			<action>RUN dd if=/dev/urandom of=/big bs=1M count=200 2>/dev/null; mkdir /many; for i in $(seq 2000); do echo $i > /many/$i; done; echo written</action>
		</buildstage>
		<disk id="d" stage="work" table="gpt" size="2G"><partition name="root" fs="ext4" size="rest" path="/"/></disk></redo>`)
	old := w.file(t, "d.raw.xz", "the old output")

	w.killAt(t, "| sleeping", 0, "a.xml", "--out", "d.raw")
	w.killAt(t, "| sleeping", 500*time.Millisecond, "a.xml", "--out", "d.raw")
	// What was committed before is not done again.
	for i, after := range []time.Duration{0, 20, 50, 100, 200, 400, 700} {
		if !w.killAt(t, "| written", after*time.Millisecond, "a.xml", "-t", "work") {
			if i < 2 { // it was committed before the kill
				t.Errorf("no commit was interrupted")
			}
			break
		}
	}
	r, ran := w.build(t, "a.xml", "-t", "work")
	for _, s := range ran {
		if s != "work 3/3" {
			t.Errorf("step %s was done again\n%s", s, r.stderr)
		}
	}
	// xz takes half a minute for what the stage has: the kill comes in between.
	for _, after := range []time.Duration{0, 100, 1000} {
		if !w.killAt(t, "write d.raw.xz", after*time.Millisecond, "a.xml", "--out", "d.raw.xz") {
			t.Errorf("the disk was written within %d ms", after)
		}
		entries, err := os.ReadDir(w.work)
		if err != nil {
			t.Fatal(err)
		}
		if len(entries) != 2 {
			t.Errorf("the folder has %v", entries)
		}
		if data, err := os.ReadFile(old); err != nil || string(data) != "the old output" {
			t.Errorf("the old output is not what it was: %d bytes, %v", len(data), err)
		}
	}
	if _, ran := w.build(t, "a.xml", "--out", "d.raw"); len(ran) != 0 {
		t.Errorf("steps %v were done again", ran)
	}
	w.ok(t, tool(t, "e2fsck"), "-fn", partition(t, w, filepath.Join(w.work, "d.raw"), "root"))
	dirs, err := filepath.Glob(filepath.Join(w.graph, "carosbuild/wip/*"))
	if err != nil || len(dirs) != 0 {
		t.Errorf("unfinished snapshots are left: %v, %v", dirs, err)
	}
}

// A terminated build ends its step and says so.
func TestInterrupt(t *testing.T) {
	w := newWorld(t)
	w.file(t, "a.xml", "<redo>"+base(t)+`<buildstage id="work"><prestage>base</prestage><action>RUN echo sleeping; sleep 31337</action></buildstage></redo>`)
	cmd := w.command(t.Context(), program(t), "--progress=plain", "a.xml")
	errs, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	sc := bufio.NewScanner(errs)
	last := ""
	for sc.Scan() {
		last = sc.Text()
		if strings.Contains(last, "| sleeping") {
			if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
				t.Fatal(err)
			}
		}
	}
	_ = cmd.Wait()
	if got := cmd.ProcessState.ExitCode(); got != 130 || !strings.Contains(last, "interrupted") {
		t.Errorf("exit status %d, last words %q", got, last)
	}
	if left := w.leftovers(t); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
}

// Two builds of the same at the same time: each step is done by one of them.
func TestConcurrentBuilds(t *testing.T) {
	w := newWorld(t)
	w.file(t, "a.xml", "<redo>"+base(t)+`<buildstage id="work"><prestage>base</prestage><action>RUN sleep 1; date > /a</action><action>RUN cat /a > /b</action></buildstage></redo>`)
	type done struct {
		r   result
		ran []string
	}
	ch := make(chan done, 3)
	for i := range 3 {
		go func() {
			r := w.run(t, program(t), "--progress=plain", "a.xml", "-B", "b"+string(rune('0'+i)))
			ch <- done{r, executed(r.stderr)}
		}()
	}
	var all []string
	for range 3 {
		d := <-ch
		if d.r.status != 0 {
			t.Errorf("exit status %d\n%s", d.r.status, d.r.stderr)
		}
		all = append(all, d.ran...)
	}
	slices.Sort(all)
	want := []string{"base 1/3", "base 2/3", "base 3/3", "work 1/2", "work 2/2"}
	if diff := cmp.Diff(all, want); diff != "" {
		t.Errorf("steps executed by the three (-got +want):\n%s", diff)
	}
}

// Links in the way of what is copied lead to places inside of the stage, and
// what a copy keeps is kept of single files too.
func TestCopyThroughLinks(t *testing.T) {
	w := newWorld(t)
	outside := filepath.Join(w.dir, "outside")
	if err := os.Mkdir(outside, 0o700); err != nil {
		t.Fatal(err)
	}
	w.file(t, "files/var/run/x", "1")
	w.file(t, "a.xml", "<redo>"+base(t)+`
		<buildstage id="from"><prestage>base</prestage>
			<action>RUN mkdir -p /out/data /out/var/run; chmod 777 /out/data; echo 2 > /out/var/run/y; echo c > /out/cap; setfattr -n user.note -v yes /out/cap 2>/dev/null; chown 5:6 /out/cap; chmod 4755 /out/cap</action></buildstage>
		<buildstage id="s"><prestage>base</prestage>
			<action>RUN mkdir -p /run `+outside+`; ln -s /run /var/run 2>/dev/null || { mkdir -p /var; ln -s /run /var/run; }; ln -s `+outside+` /data</action>
			<action>COPY files /</action>
			<action>COPY --from=from /out /</action>
			<action>COPY --from=from /out/cap /single</action>
			<action>RUN cat /run/x /run/y; stat -c '%a %u:%g' /single /cap; stat -c '%F %a' `+outside+`; test -L /var/run; test -L /data</action></buildstage></redo>`)
	r, _ := w.build(t, "a.xml", "-t", "s")
	if n := strings.Count(r.stderr, "| 4755 5:6\n"); n != 2 {
		t.Errorf("owner and mode are shown %d times as they should be, want 2", n)
	}
	for _, want := range []string{"| 12\n", "| directory 777\n"} {
		if !strings.Contains(r.stderr, want) {
			t.Errorf("the output lacks %q:\n%s", want, r.stderr)
		}
	}
	if st, err := os.Stat(outside); err != nil || st.Mode().Perm() != 0o700 {
		t.Errorf("the directory of the host became %v (%v)", st.Mode(), err)
	}
}

// An added file that changes while the build runs is not stored under the key
// of what it was.
func TestFileChangesMeanwhile(t *testing.T) {
	w := newWorld(t)
	w.file(t, "f", "before")
	w.file(t, "a.xml", "<redo>"+base(t)+`<buildstage id="s"><prestage>base</prestage><action>RUN sleep 1</action><action>ADD f /f</action></buildstage></redo>`)
	go func() {
		time.Sleep(700 * time.Millisecond)
		os.WriteFile(filepath.Join(w.work, "f"), []byte("after"), 0o644)
	}()
	r := w.carosbuild(t, "--progress=plain", "a.xml")
	if r.status != 1 || !strings.Contains(r.stderr, "f changed while the build was running") {
		t.Errorf("exit status %d\n%s", r.status, r.stderr)
	}
}

// TestPlannedOnce: the declaration is read, and what it names looked up, once: from a
// pipe it could not be read again.
func TestPlannedOnce(t *testing.T) {
	w := newWorld(t)
	w.file(t, "data", "x")
	text := "<redo>" + base(t) + `<buildstage id="s"><prestage>base</prestage><action>ADD data /data</action><action>RUN exit 3</action></buildstage></redo>`
	pipe := filepath.Join(w.work, "a.xml")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	go func() { _ = os.WriteFile(pipe, []byte(text), 0o600) }()
	r := w.carosbuild(t, "a.xml", "-B", "b1", "--progress=plain")
	if want := "a.xml:1:"; r.status != 1 || !strings.Contains(r.stderr, want) || !strings.Contains(r.stderr, "exit 3</action>") {
		t.Errorf("exit status %d, without %q or the line that failed\n%s", r.status, want, tailOf(r.stderr))
	}
}

// What a step may not do, whoever runs the build.
func TestConfinement(t *testing.T) {
	w := newWorld(t)
	w.setenv("SECRET=of-the-caller")
	try := func(what string) string { return what + " 2>/dev/null && echo BAD: " + what + "; " }
	w.file(t, "a.xml", "<redo>"+base(t)+`<buildstage id="s"><prestage>base</prestage><action><![CDATA[RUN id -u; grep CapEff /proc/self/status
		`+try("mount -t tmpfs x /mnt")+try("hostname evil")+try("mkdir /sys/fs/cgroup/x")+try("sh -c 'echo 1 > /proc/sys/kernel/hostname'")+
		try("sh -c 'echo never > /sys/kernel/mm/transparent_hugepage/enabled'")+try("unshare -U true")+try("mknod /dev/sdz b 8 0")+
		try("test -n \"$SECRET\"")+try("test -e /home")+try("dmesg")+`
		ls /proc | grep -c '^[0-9]'; cat /proc/1/cmdline | tr '\0' ' ' | cut -c1-7]]></action></buildstage></redo>`)
	r, _ := w.build(t, "a.xml")
	if strings.Contains(r.stderr, "| BAD") {
		t.Errorf("a step did what it may not:\n%s", r.stderr)
	}
	for _, want := range []string{"| 0\n", "CapEff: 00000000a80425fb", "| /bin/sh"} {
		if !strings.Contains(r.stderr, want) {
			t.Errorf("the output lacks %q:\n%s", want, r.stderr)
		}
	}
}
