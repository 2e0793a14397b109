// SPDX-License-Identifier: MPL-2.0

//go:build integration

package integration

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// failingXML has a stage whose fifth step fails, and one that is based on it.
func failingXML(t *testing.T, network, command string) string {
	t.Helper()
	return "<redo>" + base(t) + `<buildstage id="s" network="` + network + `"><prestage>base</prestage><cache path="/cache"/>
	<action>RUN mkdir -p /etc /home/u; echo 'u:x:7:8:u:/home/u:/bin/sh' >/etc/passwd; chown 7:8 /home/u</action>
	<action>ENV A="one two" B=$A.x</action><action>WORKDIR /home/u</action><action>USER u</action>
	<action>RUN ` + command + `</action>
	<action>RUN test -e half; echo after >after</action></buildstage>
<buildstage id="t"><prestage>s</prestage><action>RUN cat after half >all</action></buildstage></redo>`
}

// TestShellElsewhere: a failed stage that was pushed is opened by another account with an
// empty store, in the world that a shell on the first machine has.
func TestShellElsewhere(t *testing.T) {
	server := newWorld(t)
	registry := startRegistry(t, server)
	for _, network := range []string{"host", "none"} {
		t.Run(network, func(t *testing.T) {
			a, b := newWorld(t), newWorld(t)
			a.file(t, "sub/a.xml", failingXML(t, network, "echo half >half; echo on ::error::x the way $http_proxy; exit 7"))
			a.setenv("SOURCE_DATE_EPOCH=1500000000")
			for _, w := range []*world{a, b} {
				w.setenv("http_proxy=http://proxy.invalid:1/")
			}
			layout, ref := "oci:"+server.dir+"/failed-"+network, registry+"/ci/{stage}:"+network
			bad := a.carosbuild(t, filepath.Join(a.work, "sub/a.xml"), "-B", "b1", "--push-failed", layout, "--push-failed", ref)
			ref = registry + "/ci/s:" + network
			if bad.status != 1 || !strings.Contains(bad.stderr, "elsewhere:   carosbuild shell "+ref) || !strings.Contains(bad.stderr, "a.xml:4:14: error: stage s: RUN failed") {
				t.Fatalf("exit status %d\n%s", bad.status, tailOf(bad.stderr))
			}
			want := a.ok(t, program(t), "shell", "b1:s-failure", "/bin/sh", "-c", stepWorld+"; cat half").stdout
			for _, from := range []string{layout, layout + ":b1-s-failure", ref, "docker://" + ref} {
				b.env = append(b.env[:len(b.env):len(b.env)], "SOURCE_DATE_EPOCH=1")
				got := b.ok(t, program(t), "shell", "--network", network, from, "/bin/sh", "-c", stepWorld+"; cat half")
				if diff := cmp.Diff(got.stdout, want); diff != "" {
					t.Errorf("%s (-elsewhere +there):\n%s", from, diff)
				}
				for _, part := range []string{"a.xml:4:14: stage s of build b1, step 5/6 failed: exit status 7\n  RUN echo half >half;", "\n  | on ::error::x the way" + map[string]string{"host": " ***"}[network] + "\n"} {
					if !strings.Contains(got.stderr, part) {
						t.Errorf("%s: no %q in\n%s", from, part, got.stderr)
					}
				}
			}
			if r := b.carosbuild(t, "shell", layout, "/bin/sh", "-c", "cut -d: -f1 /proc/net/dev | grep -v lo; exit 9"); r.status != 9 || strings.Contains(r.stdout, "eth0") && os.Getenv("CAROSBUILD_SANDBOX") == "" && sharesNetwork(t, b) {
				t.Errorf("status %d\n%s%s", r.status, r.stdout, r.stderr)
			} else if strings.Contains(r.stderr, "--network host") != (network == "host" || strings.Contains(r.stderr, "there is no network")) {
				t.Errorf("the network is not told of:\n%s", r.stderr)
			}
			if out := b.ok(t, program(t), "images", "--all").stdout; strings.Count(out, "\n") != 1 {
				t.Errorf("images are left:\n%s", out)
			}
			checkNoSecrets(t, a, server, strings.TrimPrefix(layout, "oci:"))
		})
	}
}

// sharesNetwork reports whether a step of this machine shares the host's network where none
// is named: without pasta it does.
func sharesNetwork(t *testing.T, w *world) bool {
	t.Helper()
	w.file(t, "net.xml", "<redo>"+base(t)+`<buildstage id="n"><prestage>base</prestage><action>RUN true</action></buildstage></redo>`)
	return strings.Contains(w.carosbuild(t, "net.xml").stderr, "steps share the host's network")
}

// checkNoSecrets reads all documents of a layout.
func checkNoSecrets(t *testing.T, a, server *world, dir string) {
	t.Helper()
	blobs, err := filepath.Glob(filepath.Join(dir, "blobs/sha256/*"))
	if err != nil || len(blobs) < 3 {
		t.Fatal(err, blobs)
	}
	for _, b := range blobs {
		data, err := os.ReadFile(b)
		if err != nil {
			t.Fatal(err)
		}
		for _, secret := range []string{"proxy.invalid", a.dir, server.dir} {
			if data[0] == '{' && strings.Contains(string(data), secret) {
				t.Errorf("%s is in %s", secret, data)
			}
		}
	}
}

// A registry that cannot be reached changes neither the error nor the exit status of a
// failed build; a mistake in the option is found before anything runs.
func TestPushFailedFails(t *testing.T) {
	w := newWorld(t)
	w.file(t, "a.xml", failingXML(t, "none", "exit 7"))
	r := w.carosbuild(t, "a.xml", "-B", "b1", "--push-failed", "127.0.0.1:1/x/y")
	if r.status != 1 || !strings.Contains(r.stderr, "warning: the half-done stage was not pushed: ") || !strings.Contains(r.stderr, "stage s: RUN failed: exit status 7") || strings.Contains(r.stderr, "elsewhere:") {
		t.Errorf("status %d\n%s", r.status, r.stderr)
	}
	for _, args := range [][]string{
		{"--push-failed", "x/y"},
		{"--push-failed", "r.example.org/{stag}"},
		{"--push-failed", "r.example.org/X/{stage}"},
		{"--push", "oci:d:x", "-t", "s", "-t", "base"},
		{"--push-failed", "oci:d", "-F"},
		{"--on-failure", "shell"},
		{"--on-failure", "x"},
	} {
		if r := w.carosbuild(t, append([]string{"a.xml"}, args...)...); r.status != 2 || strings.Contains(r.stderr, "RUN") {
			t.Errorf("%q: status %d\n%s", args, r.status, r.stderr)
		}
	}
}

// TestPush: --push of a build is there what push of its stages would be.
func TestPush(t *testing.T) {
	w := newWorld(t)
	registry := startRegistry(t, w)
	w.file(t, "a.xml", "<redo>"+base(t)+`<buildstage id="one"><prestage>base</prestage><action>RUN echo 1 >/1</action></buildstage><buildstage id="two"><prestage>base</prestage><action>RUN echo 2 >/2</action></buildstage></redo>`)
	ref := registry + "/ci/{stage}:{build}-{date}"
	r := w.ok(t, program(t), "a.xml", "-B", "b1", "--push", ref, "--push", "oci:out:{stage}")
	var tag string
	for line := range strings.Lines(r.stderr) {
		if _, at, ok := strings.Cut(line, "pushed stage one to "+registry+"/ci/one:"); ok {
			tag, _, _ = strings.Cut(at, "@")
		}
	}
	if !strings.HasPrefix(tag, "b1-20") || len(tag) != len("b1-2026-11-30") {
		t.Fatalf("tag %q\n%s", tag, r.stderr)
	}
	for _, stage := range []string{"one", "two"} {
		pushed := w.ok(t, program(t), "push", "b1:"+stage, registry+"/other/"+stage+":x").stdout
		_, digest, _ := strings.Cut(strings.TrimSpace(pushed), "@")
		for _, at := range []string{"docker://" + registry + "/ci/" + stage + ":" + tag, "oci:out:" + stage} {
			if got := w.ok(t, tool(t, "skopeo"), "inspect", "--tls-verify=false", "--format", "{{.Digest}}", at).stdout; strings.TrimSpace(got) != digest {
				t.Errorf("%s is %s, want %s", at, got, digest)
			}
		}
	}
	// All is cached: it is pushed all the same.
	if r := w.ok(t, program(t), "a.xml", "-t", "two", "--push", "oci:again"); !strings.Contains(r.stderr, "pushed stage two to oci:again") {
		t.Errorf("nothing was pushed:\n%s", r.stderr)
	}
	r = w.carosbuild(t, "a.xml", "-t", "two", "--push", "127.0.0.1:1/x:y")
	if r.status != 5 || !strings.Contains(r.stderr, "the build is done, but stage two was not pushed") {
		t.Errorf("status %d\n%s", r.status, r.stderr)
	}
}

// TestHostileFailedImage: what an image of anybody says of a failed step neither reaches
// this machine's files, network and caches, nor steers its terminal.
func TestHostileFailedImage(t *testing.T) {
	w := newWorld(t)
	secret := filepath.Join(w.dir, "secret")
	if err := os.MkdirAll(secret, 0o755); err != nil {
		t.Fatal(err)
	}
	w.file(t, "a.xml", failingXML(t, "host", "touch /cache/mine; exit 7"))
	if r := w.carosbuild(t, "a.xml", "-B", "b1", "--push-failed", "oci:good:x"); r.status != 1 {
		t.Fatal(r.stderr)
	}
	const label = "org.carosio.carosbuild.failed."
	spoil := func(name string, change func(labels, config map[string]any)) string {
		t.Helper()
		return "oci:" + spoilt(t, filepath.Join(w.work, "good"), filepath.Join(w.work, name), change)
	}
	evil := "\x1b]0;owned\x07\x1b[2J\u202e"
	r := w.carosbuild(t, "shell", spoil("escapes", func(l, c map[string]any) {
		l[label+"file"], l[label+"command"], l[label+"log"] = "a"+evil+"\n::error::x", evil+"\n##[error]y", "x"+evil+"\n::set-output name=a::b\n"
		l[label+"network"] = "host"
		c["Env"] = []string{"A=b", "LD_PRELOAD=/x"}
	}), "/bin/sh", "-c", "ls -A /cache; cat /proc/net/tcp; exit 3")
	if r.status != 3 || strings.ContainsAny(r.stderr, "\x1b\x07\u202e") || strings.Contains(r.stderr, "\n::error") || strings.Contains(r.stderr, "##[error]") || strings.Contains(r.stderr, "| ::set-output") {
		t.Errorf("status %d\n%q", r.status, r.stderr)
	}
	if strings.Contains(r.stdout, "mine") || !strings.Contains(r.stderr, "the step had the host's network; the shell gets it with --network host") {
		t.Errorf("printed %q\n%s", r.stdout, r.stderr)
	}
	for name, change := range map[string]func(l, c map[string]any){
		"stage": func(l, _ map[string]any) { l[label+"stage"] = "../../" + filepath.Base(w.dir) },
		"mirror": func(l, _ map[string]any) {
			l[label+"apt"] = `{"bootstrap":{"suite":"bookworm","mirror":"file://` + secret + `"}}`
		},
		"keyring": func(l, _ map[string]any) {
			l[label+"apt"] = `{"bootstrap":{"suite":"bookworm","keyring":"` + secret + `"}}`
		},
		"mount":     func(l, _ map[string]any) { l[label+"caches"] = `[{"path":"/../../..` + secret + `"}]` },
		"proc":      func(l, _ map[string]any) { l[label+"caches"] = `[{"path":"/proc/sys"}]` },
		"network":   func(l, _ map[string]any) { l[label+"network"] = "container:1" },
		"directory": func(_, c map[string]any) { c["WorkingDir"] = "x\x1b[2J" },
		"variables": func(_, c map[string]any) { c["Env"] = []string{"A\x1b[2J"} },
		"user":      func(_, c map[string]any) { c["User"] = "u\x1b[2J\n" },
	} {
		r := w.carosbuild(t, "shell", spoil("bad-"+name, change), "/bin/true")
		if r.status == 0 || strings.Contains(r.stderr, "\x1b") {
			t.Errorf("%s: status %d\n%q", name, r.status, r.stderr)
		}
	}
	link := spoil("link", func(l, c map[string]any) {
		l[label+"caches"] = `[{"path":"/home/u/../../../../../../tmp/x"},{"path":"/etc/passwd/x"}]`
	})
	if r := w.carosbuild(t, "shell", link, "/bin/true"); r.status == 0 {
		t.Errorf("a cache below a file: %s", r.stderr)
	}
	if left, err := filepath.Glob(filepath.Join(w.dir, "home/.local/state/carosbuild/scratch-*")); err != nil || len(left) > 0 {
		t.Errorf("left: %v, %v", left, err)
	}
}

// spoilt is a copy of a layout of one image whose configuration is changed, and whose
// digests are right again.
func spoilt(t *testing.T, from, to string, change func(labels, config map[string]any)) string {
	t.Helper()
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
	blob := func(digest string) string { return filepath.Join(to, "blobs", strings.Replace(digest, ":", "/", 1)) }
	read := func(file string) (v map[string]any) {
		data, err := os.ReadFile(file)
		if err == nil {
			err = json.Unmarshal(data, &v)
		}
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	write := func(desc map[string]any, v any) {
		data, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		desc["digest"], desc["size"] = fmt.Sprintf("sha256:%x", sha256.Sum256(data)), len(data)
		if err := os.WriteFile(blob(desc["digest"].(string)), data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	index := read(filepath.Join(to, "index.json"))
	entry := index["manifests"].([]any)[0].(map[string]any)
	manifest := read(blob(entry["digest"].(string)))
	desc := manifest["config"].(map[string]any)
	config := read(blob(desc["digest"].(string)))
	inner := config["config"].(map[string]any)
	change(inner["Labels"].(map[string]any), inner)
	write(desc, config)
	write(entry, manifest)
	data, err := json.Marshal(index)
	if err == nil {
		err = os.WriteFile(filepath.Join(to, "index.json"), data, 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
	return to
}

// TestFailedPage runs the commands of docs/failed.md, in order.
func TestFailedPage(t *testing.T) {
	page, err := os.ReadFile("../docs/failed.md")
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld(t)
	registry := startRegistry(t, w)
	w.file(t, "node.xml", "<redo>"+base(t)+`<buildstage id="app"><prestage>base</prestage><action>RUN echo half >half-done; exit 7</action><action>RUN echo rest >rest</action></buildstage></redo>`)
	var commands []string
	for line := range strings.Lines(string(page)) {
		if line, ok := strings.CutPrefix(line, "    carosbuild "); ok {
			commands = append(commands, strings.ReplaceAll(strings.TrimSpace(line), "registry.example.org", registry))
		}
	}
	if len(commands) < 8 {
		t.Fatalf("only %q were found", commands)
	}
	for _, c := range commands {
		args := strings.Fields(c)
		want := map[bool]int{true: 1}[args[0] == "node.xml" || c == "resume"] // the step fails
		r := w.carosbuild(t, args...)
		if r.status != want {
			t.Errorf("carosbuild %s: status %d\n%s", c, r.status, r.stderr)
		}
		if strings.HasSuffix(c, "cat half-done") && r.stdout != "half\n" {
			t.Errorf("carosbuild %s prints %q", c, r.stdout)
		}
		if strings.Contains(c, registry) && !strings.Contains(r.stderr, "elsewhere:   carosbuild shell "+registry+"/caros/failed:app-20") {
			t.Errorf("carosbuild %s does not say where the stage is:\n%s", c, r.stderr)
		}
	}
	// The labels of the page are those of an image, but for those of other stages.
	config := w.ok(t, tool(t, "skopeo"), "inspect", "--config", "oci:failed:ci2-app-failure").stdout
	for _, label := range []string{"format", "build", "stage", "step", "kind", "command", "file", "line", "status"} {
		if !strings.Contains(config, `"org.carosio.carosbuild.failed.`+label+`"`) || !strings.Contains(string(page), "`"+label+"`") {
			t.Errorf("no label %s in the page or in\n%s", label, config)
		}
	}
	pushed := registry + "/caros/by-hand:x"
	if r := w.carosbuild(t, "node.xml", "-B", "again"); r.status != 1 {
		t.Fatal(r.stderr)
	}
	w.ok(t, program(t), "push", "again:app-failure", pushed)
	if r := w.ok(t, program(t), "shell", pushed, "/bin/cat", "half-done"); !strings.Contains(r.stderr, "stage app of build again, step 1/2 failed: exit status 7") {
		t.Errorf("a stage that was pushed by hand:\n%s", r.stderr)
	}
	w.ok(t, program(t), "pull", pushed)
	if r := w.ok(t, program(t), "shell", pushed, "/bin/cat", "half-done"); !strings.Contains(r.stderr, "step 1/2 failed") || !strings.Contains(r.stderr, "is in the store") {
		t.Errorf("a stage that was pulled:\n%s", r.stderr)
	}
	w.file(t, "on.xml", `<redo><buildstage id="on"><action>FROM `+pushed+`</action><action>RUN cat half-done</action></buildstage></redo>`)
	w.ok(t, program(t), "on.xml", "-B", "on")
	if r := w.ok(t, program(t), "shell", "on", "/bin/true"); strings.Contains(r.stderr, "failed: exit status") {
		t.Errorf("what is based on a failed stage is taken for one:\n%s", r.stderr)
	}
}
