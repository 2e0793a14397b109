// This Source Code Form is subject to the terms of the Mozilla Public
// License, v. 2.0. If a copy of the MPL was not distributed with this
// file, You can obtain one at https://mozilla.org/MPL/2.0/.

//go:build integration

package integration

import (
	"os"
	"path/filepath"
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
// that is nobody, for others it is one of their subordinate ids, which for the
// kernel is as much somebody else.
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

// What somebody else has made, and can replace at any time, is not used.
func TestDirectoryOfAnotherAccount(t *testing.T) {
	w := newWorld(t)
	w.file(t, "a.xml", `<redo>`+base(t)+`</redo>`)
	cache := filepath.Join(w.dir, "home/.cache/carosbuild")
	if err := os.MkdirAll(cache, 0o777); err != nil {
		t.Fatal(err)
	}
	give := asBuilder("chown", "1:1", cache)
	w.ok(t, give[0], give[1:]...)
	if r := w.carosbuild(t, "a.xml"); r.status != 4 || !strings.Contains(r.stderr, "belongs to another account") || !strings.Contains(r.stderr, "remedy: ") {
		t.Errorf("status %d:\n%s", r.status, r.stderr)
	}
}
