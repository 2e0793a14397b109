// SPDX-License-Identifier: MPL-2.0

//go:build integration

package integration

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// asBuilder is a command line with the rights over the files of this user's
// builds.
func asBuilder(args ...string) []string {
	if os.Getuid() == 0 {
		return args
	}
	return append([]string{"unshare", "--map-auto", "--map-root-user"}, args...)
}

// asOther is a command line as another account of this host: for the superuser
// that is nobody, for others it is one of their subordinate ids, which the
// kernel treats like another account.
func asOther(args ...string) []string {
	id := "65534"
	if os.Getuid() != 0 {
		id = "1"
	}
	// The shell, because setpriv still has capabilities when it looks for the program.
	return asBuilder(append([]string{"setpriv", "--reuid", id, "--regid", id, "--clear-groups", "sh", "-c", `"$0" "$@"`}, args...)...)
}

// A step leaves set-user-ID programs in its layer and in a cache. No other
// account of the host gets at them, whatever the directories looked like before.
func TestOtherAccounts(t *testing.T) {
	w := newWorld(t)
	for _, d := range []string{w.dir, w.dir + "/home", w.dir + "/home/.cache", w.dir + "/home/.cache/carosbuild", w.dir + "/home/.local/state/carosbuild", w.graph} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			t.Fatal(err)
		}
		for ; strings.HasPrefix(d, w.dir); d = filepath.Dir(d) {
			if err := os.Chmod(d, 0o755); err != nil {
				t.Fatal(err)
			}
		}
	}
	w.file(t, "a.xml", `<redo>`+base(t)+`<buildstage id="s"><prestage>base</prestage><cache path="/c" id="s"/>
		<action>RUN cp /bin/busybox /c/id; chmod 4755 /c/id; cp -p /c/id /bin/id4</action></buildstage></redo>`)
	w.build(t, "a.xml")
	find := asBuilder("find", w.dir, "-perm", "-4000", "-type", "f")
	programs := strings.Fields(w.ok(t, find[0], find[1:]...).stdout)
	if len(programs) != 2 {
		t.Fatalf("set-user-ID programs, want one in the cache and one in the store: %q", programs)
	}
	see := asOther("ls", filepath.Join(w.dir, "home"))
	w.ok(t, see[0], see[1:]...) // as far as that the other account comes
	for _, p := range programs {
		run := asOther(p, "whoami")
		if r := w.run(t, run[0], run[1:]...); r.status == 0 || !strings.Contains(r.stderr, "Permission denied") {
			t.Errorf("another account runs %s: status %d\n%s%s", p, r.status, r.stdout, r.stderr)
		}
	}
}

// A directory that another account has made, and can replace at any time, is not used.
func TestDirectoryOfAnotherAccount(t *testing.T) {
	w := newWorld(t)
	w.file(t, "a.xml", `<redo>`+base(t)+`</redo>`)
	for _, place := range []string{"home/.cache/carosbuild", "home/.cache", "graph", "home/.local/share"} {
		dir := filepath.Join(w.dir, place)
		if place == "graph" || place == "home/.local/share" { // where the superuser's, and another account's store is
			if (place == "graph") != (os.Getuid() == 0) {
				continue
			}
		}
		if err := os.MkdirAll(filepath.Join(dir, "carosbuild"), 0o777); err != nil {
			t.Fatal(err)
		}
		give := asBuilder("chown", "1:1", dir)
		w.ok(t, give[0], give[1:]...)
		open := asBuilder("chmod", "777", dir)
		w.ok(t, open[0], open[1:]...)
		if r := w.carosbuild(t, "a.xml"); r.status != 4 || !strings.Contains(r.stderr, "belongs to another account") || !strings.Contains(r.stderr, "remedy: ") {
			t.Errorf("%s: status %d:\n%s", place, r.status, r.stderr)
		}
		back := asBuilder("chown", "-R", "0:0", dir)
		w.ok(t, back[0], back[1:]...)
	}
	if r := w.carosbuild(t, "a.xml"); r.status != 0 {
		t.Errorf("with directories of its own: status %d:\n%s", r.status, r.stderr)
	}
}

// makeAccount makes an account of this host with subordinate ids, for the test.
func makeAccount(t *testing.T, name string, first int) {
	t.Helper()
	home := filepath.Join("/home", name)
	run := func(args ...string) {
		t.Helper()
		if out, err := exec.Command(args[0], args[1:]...).CombinedOutput(); err != nil {
			t.Fatalf("%q: %v\n%s", args, err, out)
		}
	}
	ids := fmt.Sprintf("%d-%d", first, first+65535)
	t.Cleanup(func() { run("userdel", "--remove", name) })
	run("useradd", "--create-home", "--home-dir", home, "--shell", "/bin/sh", name)
	run("usermod", "--add-subuids", ids, "--add-subgids", ids, name)
}

// The processes of a build, and the plan that one of them hands to another, cannot
// be read by another account.
func TestHandoverOfAnotherAccount(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only the superuser makes accounts")
	}
	builds, reads := fmt.Sprintf("cbthree%d", os.Getpid()%100000), fmt.Sprintf("cbfour%d", os.Getpid()%100000)
	makeAccount(t, builds, 3200000)
	makeAccount(t, reads, 3300000)
	as := func(name string, args ...string) *exec.Cmd {
		return exec.CommandContext(t.Context(), "setpriv", append([]string{"--reuid", name, "--regid", name, "--init-groups", "--reset-env"}, args...)...)
	}
	home := filepath.Join("/home", builds)
	declaration := "<redo>" + base(t) + `<buildstage id="work"><prestage>base</prestage><action>RUN echo sleeping; sleep 300</action></buildstage></redo>`
	if err := os.WriteFile(filepath.Join(home, "a.xml"), []byte(declaration), 0o644); err != nil {
		t.Fatal(err)
	}
	copied := filepath.Join(home, "carosbuild")
	if out, err := exec.CommandContext(t.Context(), "install", "-m", "755", program(t), copied).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	build := as(builds, copied, "--progress=plain", "a.xml")
	build.Dir = home
	progress, err := build.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := build.Start(); err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	lines := bufio.NewScanner(progress)
	for lines.Scan() && !strings.Contains(lines.Text(), "| sleeping") {
		text.WriteString(lines.Text() + "\n")
	}
	outer, inner := build.Process.Pid, innerProcess(t, build.Process.Pid)
	for _, pid := range []int{outer, inner} {
		for _, read := range []string{"head -c 1 %s/environ", "ls %s/fd", "head -c 1 %s/fd/5", "head -c 1 %s/mem"} {
			read = fmt.Sprintf(read, fmt.Sprint("/proc/", pid))
			if out, err := as(reads, strings.Fields(read)...).CombinedOutput(); err == nil || !strings.Contains(string(out), "Permission denied") {
				t.Errorf("another account runs %s: %v\n%s", read, err, out)
			}
		}
	}
	if err := build.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	for lines.Scan() {
		text.WriteString(lines.Text() + "\n")
	}
	if err := build.Wait(); err == nil || inner == 0 {
		t.Errorf("the interrupted build: %v, inner process %d\n%s", err, inner, text.String())
	}
}

// innerProcess is the child of a build that the plan was handed to, 0 if there is
// none.
func innerProcess(t *testing.T, outer int) int {
	t.Helper()
	children, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", outer))
	if err != nil {
		t.Fatal(err)
	}
	for _, list := range children {
		pids, err := os.ReadFile(list)
		if err != nil {
			continue // a thread that has ended
		}
		for _, pid := range strings.Fields(string(pids)) {
			env, err := os.ReadFile(filepath.Join("/proc", pid, "environ"))
			if err != nil || !strings.Contains(string(env), "_CAROSBUILD_HANDOVER=1\x00") {
				continue
			}
			n, err := strconv.Atoi(pid)
			if err != nil {
				t.Fatal(err)
			}
			return n
		}
	}
	return 0
}

// Two accounts with other ids, other umasks and other locales make the same disk
// of the same declaration, and neither sees what the other has built.
func TestTwoAccounts(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only the superuser makes accounts")
	}
	names := []string{fmt.Sprintf("cbone%d", os.Getpid()%100000), fmt.Sprintf("cbtwo%d", os.Getpid()%100000)}
	files := map[string]string{"data/x": "x", "a.xml": stageOfAll(t)[:len(stageOfAll(t))-len("</redo>")] + `
		<buildstage id="more"><prestage>all</prestage><action>ADD data /data</action><action>RUN date; umask; touch /now; ls -a / >/list; dd if=/dev/zero of=/sparse bs=1M count=3 2>/dev/null</action></buildstage>
		<disk id="d" stage="more" size="64M"><partition fs="ext4" size="rest" path="/"/></disk></redo>`}
	var sums []string
	for i, name := range names {
		makeAccount(t, name, 3000000+i*65536)
		dir := filepath.Join("/home", name, "work")
		for file, content := range files {
			path := filepath.Join(dir, file)
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		copied := filepath.Join("/home", name, "carosbuild")
		script := fmt.Sprintf("chown -R %[1]s /home/%[1]s && install -m 755 %[2]s %[3]s && su - %[1]s -c 'umask 0%[4]d7; export SOURCE_DATE_EPOCH=%[5]s LC_ALL=%[6]s; cd work && ~/carosbuild --progress=plain a.xml -B mine --out d.raw && ~/carosbuild images && sha256sum d.raw'",
			name, program(t), copied, []int{2, 7}[i], epoch, []string{"C", "C.UTF-8"}[i])
		out, err := exec.CommandContext(t.Context(), "sh", "-c", script).Output()
		if err != nil {
			t.Fatalf("%s: %v\n%s", name, err, out)
		}
		lines := strings.Split(strings.TrimSpace(string(out)), "\n")
		sums = append(sums, strings.Fields(lines[len(lines)-1])[0])
	}
	if sums[0] != sums[1] {
		t.Errorf("two accounts have made two disks: %v", sums)
	}
	// The second looks for the first one's.
	script := fmt.Sprintf("su - %s -c 'ls /home/%[2]s/.cache/carosbuild; ls /home/%[2]s/.local/share/containers/storage; HOME=/home/%[2]s ~/carosbuild images'", names[1], names[0])
	out, err := exec.CommandContext(t.Context(), "sh", "-c", script).CombinedOutput()
	if err == nil || strings.Count(string(out), "Permission denied") < 2 || strings.Contains(string(out), "more") {
		t.Errorf("what one account sees of another one's builds: %v\n%s", err, out)
	}
}
