// SPDX-License-Identifier: MPL-2.0

//go:build integration

package integration

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// podmanRun are the arguments with which podman runs a container on a machine
// without cgroups of its own.
var podmanRun = []string{"--runtime", "runc", "--cgroup-manager", "cgroupfs", "--log-level", "error", "run", "--rm", "--network", "host", "--security-opt", "seccomp=unconfined"}

// stageOfAll is a stage whose files are not all the superuser's.
func stageOfAll(t *testing.T) string {
	return "<redo>" + base(t) + `
		<buildstage id="all"><prestage>base</prestage>
			<action>ENV GREETING="hello world"</action>
			<action>WORKDIR /srv</action>
			<action>RUN echo a > a; chown 33:44 a; chmod 4750 a; ln a b; ln -s a c; mkdir d; touch d/gone /gone; mkfifo p</action>
			<action>RUN rm /gone; rm -r d; mkdir d; touch d/new</action>
		</buildstage></redo>`
}

const listAll = `cd /srv; stat -c '%n %F %a %u:%g %h' a b c d d/new p; ls d; ls /gone 2>/dev/null; echo $GREETING; pwd`

const listedAll = `a regular file 4750 33:44 2
b regular file 4750 33:44 2
c symbolic link 777 0:0 1
d directory 755 0:0 2
d/new regular empty file 644 0:0 1
p fifo 644 0:0 1
new
hello world
/srv
`

func TestPodman(t *testing.T) {
	w := newWorld(t)
	podman := tool(t, "podman")
	w.file(t, "a.xml", stageOfAll(t))
	w.build(t, "a.xml", "-B", "b1")
	if out := w.ok(t, podman, "images", "--format", "{{.Repository}}:{{.Tag}}").stdout; !strings.Contains(out, "localhost/carosbuild/b1:all\n") || !strings.Contains(out, "localhost/carosbuild/b1:base\n") {
		t.Errorf("podman images:\n%s", out)
	}
	args := append(append([]string{}, podmanRun...), "localhost/carosbuild/b1:all", "/bin/sh", "-c", listAll)
	if diff := cmp.Diff(w.ok(t, podman, args...).stdout, listedAll); diff != "" {
		t.Errorf("podman run (-got +want):\n%s", diff)
	}
	if diff := cmp.Diff(w.ok(t, program(t), "shell", "b1:all", "/bin/sh", "-c", listAll).stdout, listedAll); diff != "" {
		t.Errorf("carosbuild shell (-got +want):\n%s", diff)
	}
}

// A new user's podman is told nothing, and shows other images than those of
// builds. The first build says so, with the line that helps: before podman was
// used, and after.
func TestPodmanOfANewUser(t *testing.T) {
	if os.Getuid() == 0 {
		t.Skip("the superuser's podman takes overlay by itself")
	}
	podman := tool(t, "podman")
	for _, used := range []bool{false, true} {
		w := newWorld(t)
		if err := os.Remove(filepath.Join(w.dir, "home/.config/containers/storage.conf")); err != nil {
			t.Fatal(err)
		}
		shown := func() bool {
			return strings.Contains(w.ok(t, podman, "--log-level", "error", "images", "--format", "{{.Repository}}:{{.Tag}}").stdout, "localhost/carosbuild/b1:base\n")
		}
		if used {
			shown()
		}
		w.file(t, "a.xml", "<redo>"+base(t)+"</redo>")
		r, _ := w.build(t, "a.xml", "-B", "b1")
		_, line, said := strings.Cut(r.stderr, "mkdir -p ~/.config")
		line, _, _ = strings.Cut("mkdir -p ~/.config"+line, "\n")
		if !said || used != strings.Contains(r.stderr, "podman has chosen the storage driver vfs") {
			t.Fatalf("podman was used before: %v; what the first build says:\n%s", used, r.stderr)
		}
		if out := w.carosbuild(t, "doctor").stdout; !strings.Contains(out, line) {
			t.Errorf("doctor does not have the line %q:\n%s", line, out)
		}
		w.ok(t, "sh", "-c", line)
		if !shown() {
			t.Errorf("podman was used before: %v; it does not show the image after %q", used, line)
		}
		if r, _ := w.build(t, "a.xml", "-B", "b2"); strings.Contains(r.stderr, "podman") {
			t.Errorf("it is said once more:\n%s", r.stderr)
		}
	}
}

func TestPushAndExport(t *testing.T) {
	w := newWorld(t)
	skopeo, podman := tool(t, "skopeo"), tool(t, "podman")
	w.file(t, "a.xml", stageOfAll(t))
	w.build(t, "a.xml", "-B", "b1")
	registry := startRegistry(t, w)
	ref := registry + "/caros/all:1"

	// Pushed and read back by others.
	out := w.ok(t, program(t), "push", "b1:all", ref).stdout
	var inspected struct {
		Digest string
		Layers []string
		Env    []string
	}
	if err := json.Unmarshal([]byte(w.ok(t, skopeo, "inspect", "--tls-verify=false", "docker://"+ref).stdout), &inspected); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(out, inspected.Digest) || len(inspected.Layers) != 5 {
		t.Errorf("push said %q; skopeo sees %+v", out, inspected)
	}
	other := newWorld(t)
	other.ok(t, podman, "pull", "--quiet", "--tls-verify=false", ref)
	args := append(append([]string{}, podmanRun...), ref, "/bin/sh", "-c", listAll)
	if diff := cmp.Diff(other.ok(t, podman, args...).stdout, listedAll); diff != "" {
		t.Errorf("podman run of what was pushed (-got +want):\n%s", diff)
	}
	// Pulled by a colleague, who gets a shell in it.
	colleague := newWorld(t)
	if r := colleague.carosbuild(t, "shell", "theirs:all", "true"); r.status != 2 || !strings.Contains(r.stderr, "carosbuild pull fetches one") {
		t.Errorf("before the pull: %d %s", r.status, r.stderr)
	}
	if diff := cmp.Diff(colleague.ok(t, program(t), "shell", ref, "/bin/sh", "-c", listAll).stdout, listedAll); diff != "" {
		t.Errorf("shell of what was not pulled (-got +want):\n%s", diff)
	}
	if pulled := colleague.ok(t, program(t), "pull", ref, "theirs:all").stdout; pulled != registry+"/caros/all@"+inspected.Digest+"\n" {
		t.Errorf("pull said %q", pulled)
	}
	for _, name := range []string{ref, "theirs:all"} {
		if diff := cmp.Diff(colleague.ok(t, program(t), "shell", name, "/bin/sh", "-c", listAll).stdout, listedAll); diff != "" {
			t.Errorf("shell %s of what was pulled (-got +want):\n%s", name, diff)
		}
	}
	id := func(w *world) string { return w.ok(t, podman, "inspect", "--format", "{{.Id}}", ref).stdout }
	if id(colleague) != id(other) {
		t.Errorf("pull makes the image %s, podman's pull %s", id(colleague), id(other))
	}
	if out := colleague.ok(t, program(t), "images").stdout; !strings.Contains(out, "theirs ") {
		t.Errorf("images:\n%s", out)
	}
	// zstd, and a second push of the same.
	w.ok(t, program(t), "push", "b1:all", registry+"/caros/all:zstd", "--compression", "zstd")
	w.ok(t, skopeo, "copy", "--src-tls-verify=false", "docker://"+registry+"/caros/all:zstd", "oci:"+filepath.Join(w.dir, "copied"))
	w.ok(t, program(t), "push", "b1:all", ref)

	// Exported and read by others, and by a FROM.
	w.ok(t, program(t), "export", "b1:all", "--to", "oci:layout:v1")
	w.ok(t, program(t), "export", "b1:all", "--to", "docker-archive:image.tar:caros:v1")
	for _, src := range []string{"oci:layout:v1", "docker-archive:image.tar"} {
		w.ok(t, skopeo, "inspect", src)
	}
	third := newWorld(t)
	for i, from := range []string{"oci:" + w.work + "/layout:v1", "docker-archive:" + w.work + "/image.tar", ref} {
		name := fmt.Sprintf("from%d.xml", i)
		third.file(t, name, `<redo><buildstage id="s"><action>FROM `+from+`</action><action>RUN touch /x</action></buildstage></redo>`)
		id := fmt.Sprintf("f%d", i)
		third.build(t, name, "-B", id)
		if diff := cmp.Diff(third.ok(t, program(t), "shell", id+":s", "/bin/sh", "-c", listAll).stdout, listedAll); diff != "" {
			t.Errorf("FROM %s (-got +want):\n%s", from, diff)
		}
		if _, ran := third.build(t, name); len(ran) != 0 {
			t.Errorf("FROM %s again ran %v", from, ran)
		}
	}
	// The tag moved, the pin stays until --update.
	w.file(t, "b.xml", strings.Replace(stageOfAll(t), "hello world", "hello again", 1))
	w.build(t, "b.xml", "-B", "b2")
	w.ok(t, program(t), "push", "b2:all", ref)
	if _, ran := third.build(t, "from2.xml"); len(ran) != 0 {
		t.Errorf("a pinned tag moved: ran %v", ran)
	}
	if _, ran := third.build(t, "from2.xml", "--update"); len(ran) != 2 {
		t.Errorf("--update ran %v, want both steps", ran)
	}
	if err := os.RemoveAll(filepath.Join(w.dir, "registry")); err != nil {
		t.Fatal(err)
	}
}
