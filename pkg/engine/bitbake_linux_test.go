// SPDX-License-Identifier: MPL-2.0

package engine

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/carosio/carosbuild/pkg/dirtest"
	"github.com/carosio/carosbuild/pkg/sandbox"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/carosio/carosbuild/pkg/owner"
	"github.com/carosio/carosbuild/pkg/plan"
	"github.com/carosio/carosbuild/pkg/progress"
	"github.com/carosio/carosbuild/pkg/source/bitbake"
)

// me is the user who runs the test: files can be made for nobody else.
func me() sandbox.User { return sandbox.User{UID: uint32(os.Getuid()), GID: uint32(os.Getgid())} }

// TestWriteConf: a file is replaced and keeps its mode; anything else is left alone, and
// so is a link's target.
func TestWriteConf(t *testing.T) {
	const name = "REDO/build/conf/local.conf"
	for what, tt := range map[string]struct {
		before func(path string) error
		err    string
		mode   os.FileMode
	}{
		"none":      {func(string) error { return nil }, "", 0o644},
		"file":      {func(p string) error { return os.WriteFile(p, []byte("a longer text than the new one\n"), 0o600) }, "", 0o600},
		"link":      {func(p string) error { return os.Symlink("../../../victim", p) }, "it is not a regular file", 0},
		"dangling":  {func(p string) error { return os.Symlink("../../../nothing", p) }, "it is not a regular file", 0},
		"fifo":      {func(p string) error { return unix.Mkfifo(p, 0o600) }, "it is not a regular file", 0},
		"directory": {func(p string) error { return os.Mkdir(p, 0o700) }, "it is not a regular file", 0},
	} {
		t.Run(what, func(t *testing.T) {
			dir := t.TempDir()
			plant(t, dir, "REDO/build/conf/", "victim")
			path := filepath.Join(dir, name)
			if err := tt.before(path); err != nil {
				t.Fatal(err)
			}
			err := (&buildDir{opened(t, dir), unchowned{}, me()}).write("local.conf", "new\n")
			if tt.err != "" {
				if err == nil || !strings.Contains(err.Error(), "/"+name+": "+tt.err) {
					t.Errorf("got %v, want %q", err, tt.err)
				}
			} else {
				data, readErr := os.ReadFile(path)
				st, statErr := os.Stat(path)
				if err != nil || readErr != nil || statErr != nil || string(data) != "new\n" || st.Mode() != tt.mode {
					t.Errorf("%v, %v, %v: %q", err, readErr, statErr, data)
				}
			}
			if data, err := os.ReadFile(filepath.Join(dir, "victim")); err != nil || string(data) != filepath.Base(dir) {
				t.Errorf("another file has %q, %v", data, err)
			}
			if _, err := os.Lstat(filepath.Join(dir, "nothing")); err == nil {
				t.Error("a file was made where a link leads")
			}
		})
	}
}

// TestSanity: checks are off for the superuser and on for others; a file that a step
// has put there itself is not removed.
func TestSanity(t *testing.T) {
	user := me()
	root, other := sandbox.User{UID: 0, GID: user.GID}, sandbox.User{UID: 1000, GID: user.GID}
	dir := t.TempDir()
	plant(t, dir, "REDO/build/conf/")
	fd := opened(t, dir)
	path := filepath.Join(dir, "REDO/build/conf/sanity.conf")
	if err := (&buildDir{fd, unchowned{}, root}).sanity(nil); err != nil {
		t.Fatal(err)
	}
	if st, err := os.Stat(path); err != nil || st.Size() != 0 {
		t.Errorf("sanity.conf of the superuser: %v, %v", st, err)
	}
	for range 2 { // the second time, it is gone
		if err := (&buildDir{fd, unchowned{}, other}).sanity(nil); err != nil {
			t.Fatal(err)
		}
		if _, err := os.Lstat(path); err == nil {
			t.Error("another user has an empty sanity.conf")
		}
	}
	if err := os.WriteFile(path, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := (&buildDir{fd, unchowned{}, other}).sanity(nil); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); err != nil {
		t.Errorf("a sanity.conf with content is gone: %v", err)
	}
}

// TestBitbakeCaches: users of a stage do not share directories, and a stage's own cache
// replaces bitbake's.
func TestBitbakeCaches(t *testing.T) {
	names := func(uid uint32, own ...plan.Cache) []string {
		var out []string
		for _, c := range bitbakeCaches(own, uid) {
			out = append(out, fmt.Sprintf("%s %s %t", c.Path, c.ID, c.Shared))
		}
		return out
	}
	for _, tt := range []struct {
		got, want []string
	}{
		{names(0), []string{"/REDO/download bitbake-downloads true", "/REDO/build/sstate-cache bitbake-sstate true"}},
		{names(1000), []string{"/REDO/download bitbake-downloads-1000 true", "/REDO/build/sstate-cache bitbake-sstate-1000 true"}},
		{names(7, plan.Cache{Path: "/REDO/download/", ID: "mine"}), []string{"/REDO/download/ mine false", "/REDO/build/sstate-cache bitbake-sstate-7 true"}},
	} {
		if diff := cmp.Diff(tt.got, tt.want); diff != "" {
			t.Errorf("caches (-got +want):\n%s", diff)
		}
	}
}

// watched is a watch that has read the names of these logs.
func watched(t *testing.T, logs ...string) *bitbakeWatch {
	t.Helper()
	log, err := openStepLog(filepath.Join(t.TempDir(), "s.log"), func(string) {}, func(err error) { t.Error(err) })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { log.close() })
	b := &bitbakeWatch{run: &jobRun{Local: &Local{Now: time.Now}, job: &plan.Job{ID: "s"}, log: log}}
	for _, l := range logs {
		b.line("ERROR: Logfile of failure stored in: " + l)
	}
	return b
}

// TestCollect: only regular files of the stage are copied, whatever is named.
func TestCollect(t *testing.T) {
	outside := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(outside, []byte("secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	plant(t, dir, "w/r/1.0/temp/log.do_x.1", "link -> w/r/1.0/temp/log.do_x.1", "out -> "+outside, "up -> ../../../../.."+outside,
		"REDO/build/tmp/log/cooker/m/1.log", "REDO/build/tmp/log/cooker/m/link -> 1.log", "REDO/build/tmp/log/cooker/top.log", "REDO/build/tmp/log/cooker/a/b/deep.log")
	if err := unix.Mkfifo(filepath.Join(dir, "fifo"), 0o600); err != nil {
		t.Fatal(err)
	}
	b := watched(t, "/w/r/1.0/temp/log.do_x.1", "/w/r/1.0/temp/log.do_x.1", "/link", "/out", "/up", "/fifo", "/w", "/", "/gone", outside, "/../.."+outside)
	var said []string
	b.run.Events = func(e progress.Event) { said = append(said, fmt.Sprint(e.Kind, " ", e.Stage, " ", e.Text)) }
	to := b.collect(dir, maxAllLogs)
	if diff := cmp.Diff(said, []string{"note s /out could not be kept: no such file or directory"}); diff != "" { // the first of many
		t.Errorf("said (-got +want):\n%s", diff)
	}
	all := filepath.Base(dir)
	if want := []string{"cooker-1.log=" + all, "cooker-top.log=" + all, "link=" + all, "r-1.0-log.do_x.1=" + all}; to == "" || !slices.Equal(dirtest.Listed(t, to), want) {
		t.Errorf("got %q in %q, want %q", dirtest.Listed(t, to), to, want)
	}
	if got := strings.Join(dirtest.Listed(t, watched(t, "/link", "/w/r/1.0/temp/log.do_x.1").collect(dir, int64(len(all)+1))), " "); !strings.HasSuffix(got, "cooker-1.log= cooker-top.log= link="+all+" r-1.0-log.do_x.1="+all[len(all)-1:]) {
		t.Errorf("with little room: %q", got)
	}
	if to := watched(t).collect(t.TempDir(), maxAllLogs); to != "" {
		t.Errorf("no logs are in %s", to)
	}
	b = watched(t, "/link")
	said = nil
	b.run.Events = func(e progress.Event) { said = append(said, e.Text) }
	if to := b.collect(filepath.Join(dir, "gone"), maxAllLogs); to != "" || len(said) != 1 || !strings.HasPrefix(said[0], "bitbake's logs could not be kept: ") {
		t.Errorf("of a root that is gone: %q, said %q", to, said)
	}
}

// TestCollectLimits: only the last of many logs, the end of a large log, and in all no
// more than there is room for are kept.
func TestCollectLimits(t *testing.T) {
	dir := t.TempDir()
	cooker := filepath.Join(dir, bitbake.CookerLogs)
	plant(t, dir, bitbake.CookerLogs+"/")
	for i := range 3 * maxTaskLogs {
		f, err := os.Create(filepath.Join(cooker, fmt.Sprintf("%03d.log", i)))
		if err == nil {
			err = f.Truncate(1 << 40)
		}
		if err == nil {
			_, err = f.WriteAt([]byte("end"), 1<<40-3)
		}
		if err != nil {
			if os.Getenv("CAROSBUILD_REQUIRE_TOOLS") == "1" {
				t.Fatal(err)
			}
			t.Skip("no large sparse files here: ", err)
		}
		f.Close()
		if i%100 == 50 { // a few are enough
			continue
		}
		if err := os.WriteFile(f.Name(), []byte("end"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	to := watched(t).collect(dir, maxAllLogs)
	entries, err := os.ReadDir(to)
	if err != nil {
		t.Fatal(err)
	}
	if len(entries) != maxTaskLogs || entries[0].Name() != "cooker-200.log" {
		t.Errorf("%d logs from %s, want the last %d", len(entries), entries[0].Name(), maxTaskLogs)
	}
	st, err := os.Stat(filepath.Join(to, "cooker-250.log"))
	if err != nil || st.Size() != maxTaskLog {
		t.Fatalf("%v, %v: want %d bytes", st, err, maxTaskLog)
	}
	data, err := os.ReadFile(filepath.Join(to, "cooker-250.log"))
	if err != nil || string(data[len(data)-3:]) != "end" {
		t.Errorf("%v: the end is not there", err)
	}
}

// TestWatch: one event for each new number, and an end for what was shown.
func TestWatch(t *testing.T) {
	var got []string
	r := &jobRun{Local: &Local{Now: time.Now, Events: func(e progress.Event) { got = append(got, fmt.Sprintf("%s %s %d/%d", e.Kind, e.Text, e.Done, e.Total)) }}, job: &plan.Job{ID: "s"}}
	b := &bitbakeWatch{run: r}
	for _, l := range []string{
		"NOTE: Running task 1 of 3 (a)", "Currently  1 running tasks (1 of 3)", "other", "NOTE: Running setscene task 1 of 2 (a)", "NOTE: Running task 9 of 3 (a)",
		"NOTE: Running task 2 of 3 (b)",
	} {
		b.line(l)
	}
	b.end()
	want := []string{
		"progress bitbake 0/3", "progress-end bitbake 0/0", "progress bitbake setscene 0/2", "progress-end bitbake setscene 0/0", "progress bitbake 1/3",
		"progress-end bitbake 0/0",
	}
	if diff := cmp.Diff(got, want); diff != "" {
		t.Errorf("events (-got +want):\n%s", diff)
	}
}

// TestMounts: the build id is in stages with git layers, and in no others.
func TestMounts(t *testing.T) {
	dir := t.TempDir()
	mounted := func(layers bool) string {
		t.Helper()
		r := &jobRun{Local: &Local{Scratch: t.TempDir(), CacheDir: t.TempDir()}, buildID: "b1", job: &plan.Job{GitLayers: layers}}
		mounts, err := r.mounts(dir, []plan.Cache{{Path: "/c"}}, me())
		if err != nil {
			t.Fatal(err)
		}
		if st, err := os.Stat(mounts[0].Source); err != nil || !st.IsDir() || mounts[0].Target != "/c" {
			t.Fatalf("the cache is %v, %v", mounts[0], err)
		}
		if len(mounts) == 1 {
			return ""
		}
		data, err := os.ReadFile(mounts[1].Source)
		if err != nil || !mounts[1].ReadOnly {
			t.Fatalf("%v, %v", mounts[1], err)
		}
		return mounts[1].Target + " " + string(data)
	}
	if got := mounted(true); got != "" {
		t.Errorf("without the directory: %q", got)
	}
	plant(t, dir, "REDO/source/")
	if got, want := mounted(true), "/REDO/source/BUILDID b1"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := mounted(false); got != "" {
		t.Errorf("without git layers: %q", got)
	}
	file := filepath.Join(dir, "REDO/source/BUILDID")
	for what, there := range map[string]func() error{
		"a link":      func() error { return os.Symlink("/etc/passwd", file) },
		"a directory": func() error { return os.Mkdir(file, 0o700) },
	} {
		if err := there(); err != nil {
			t.Fatal(err)
		}
		if got := mounted(true); got != "" {
			t.Errorf("over %s: %q", what, got)
		}
		if err := os.Remove(file); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(file, []byte("an older one"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got, want := mounted(true), "/REDO/source/BUILDID b1"; got != want {
		t.Errorf("over a file: %q, want %q", got, want)
	}
}

// unchowned leaves files to their owner.
type unchowned struct{ owner.Kernel }

func (unchowned) Chown(int, string, int, int) error { return nil }

func (u unchowned) Set(dir int, name string, m owner.Meta) error {
	m.UID, m.GID = os.Getuid(), os.Getgid()
	return u.Kernel.Set(dir, name, m)
}
