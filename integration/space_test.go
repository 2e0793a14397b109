// SPDX-License-Identifier: MPL-2.0

//go:build integration

package integration

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A build that cannot fit ends before its first step: on a file system that is
// too small the bootstrap's packages are not even fetched.
func TestNoRoom(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only the superuser mounts a small file system for a builder")
	}
	w := newWorld(t)
	w.file(t, "a.xml", `<redo><buildstage id="s"><bootstrap suite="bookworm"/></buildstage>
		<disk id="d" stage="s" size="4G"><partition fs="ext4" size="rest" path="/"/></disk></redo>`)
	small := filepath.Join(w.dir, "small")
	if err := os.Mkdir(small, 0o700); err != nil {
		t.Fatal(err)
	}
	w.setenv("XDG_CACHE_HOME=" + small)
	// The file system is there in a mount namespace of the command's only.
	r := w.run(t, "unshare", "--mount", "sh", "-c", `mount -t tmpfs -o size=115m small "$0" && exec "$@"`, small,
		program(t), "--progress=plain", "a.xml", "--out", filepath.Join(small, "d.raw"))
	if r.status != 4 || !strings.Contains(r.stderr, "for packages") || !strings.Contains(r.stderr, "for "+small+"/d.raw") || strings.Contains(r.stderr, "1/1") {
		t.Errorf("status %d:\n%s", r.status, r.stderr)
	}
}

// Where the store's place is an overlay mount, as in a container, layers are copied.
func TestStoreOnOverlay(t *testing.T) {
	w := newWorld(t)
	w.file(t, "a.xml", `<redo>`+base(t)+`<disk id="d" stage="base" size="32M"><partition fs="ext4" size="rest" path="/"/></disk></redo>`)
	script := `set -e
		mkdir lower upper work merged
		mount -t overlay overlay -o lowerdir=lower,upperdir=upper,workdir=work merged
		export HOME=$PWD/merged XDG_DATA_HOME=$PWD/merged
		printf '[storage]\ndriver = "overlay"\ngraphroot = "%s/merged/graph"\nrunroot = "%s/run"\n' "$PWD" "$PWD" >storage.conf
		export CONTAINERS_STORAGE_CONF=$PWD/storage.conf
		"$0" a.xml --out d.raw; ls -A merged/graph | wc -l; "$0" doctor | grep -e overlay -e layers`
	args := asBuilder("unshare", "--mount", "sh", "-c", script, program(t))
	r := w.ok(t, args[0], args[1:]...)
	if strings.Count(r.stderr, "each step begins with a copy of its root file system: it is on overlayfs") != 1 {
		t.Errorf("what was said of the store:\n%s", r.stderr)
	}
	if strings.Contains(r.stdout, "\n0\n") || !strings.Contains(r.stdout, "missing  overlay") || !strings.Contains(r.stdout, "ok       layers") {
		t.Errorf("what is in its place, and what doctor says:\n%s", r.stdout)
	}
	w.ok(t, tool(t, "qemu-img"), "info", "d.raw")
}

// A store that gets full while a step is committed, or while an image is laid into it,
// is said to be full, with what makes room.
func TestFullStore(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only the superuser mounts a small file system for a builder")
	}
	w := newWorld(t)
	w.file(t, "a.xml", `<redo>`+base(t)+`<buildstage id="big"><prestage>base</prestage>
		<action>RUN dd if=/dev/urandom of=/big bs=1M count=64; true</action></buildstage></redo>`)
	w.file(t, "layout.xml", `<redo>`+base(t)+`</redo>`)
	script := `set -e
		mkdir -p small
		mount -t tmpfs -o size="$1" small small
		printf '[storage]\ndriver = "overlay"\ngraphroot = "%s/small/graph"\nrunroot = "%s/run"\n' "$PWD" "$PWD" >storage.conf
		export CONTAINERS_STORAGE_CONF=$PWD/storage.conf
		shift
		exec "$0" "$@"`
	run := func(size string, args ...string) result {
		return w.run(t, "unshare", append([]string{"--mount", "sh", "-c", script, program(t), size}, args...)...)
	}
	for name, r := range map[string]result{
		"commit": run("30m", "--progress=plain", "a.xml"),
		"add":    run("500k", "--progress=plain", "layout.xml"),
	} {
		for _, want := range []string{"no space left on device", "remedy:      carosbuild prune makes room", " for layers in " + w.work + "/small/graph (XDG_DATA_HOME)"} {
			if r.status != 1 || !strings.Contains(r.stderr, want) {
				t.Errorf("%s: status %d, want %q:\n%s", name, r.status, want, r.stderr)
			}
		}
		if strings.Contains(r.stderr, "level=") {
			t.Errorf("%s: a library's log:\n%s", name, r.stderr)
		}
	}
}
