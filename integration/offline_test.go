// SPDX-License-Identifier: MPL-2.0

//go:build integration

package integration

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// airgapped runs the program in a network namespace of its own, in which not even the
// loopback is up, with directories that were empty at first.
func (w *world) airgapped(t *testing.T, home string, args ...string) result {
	t.Helper()
	unshare := []string{"--net"}
	if os.Getuid() != 0 {
		unshare = append(unshare, "--map-auto", "--map-root-user")
	}
	vars := []string{"CAROSBUILD_HOME=" + filepath.Join(w.dir, home), "HOME=" + filepath.Join(w.dir, home), "CAROSBUILD_DEBIAN_MIRROR=", "CAROSBUILD_DEBIAN_SECURITY_MIRROR="}
	return w.run(t, tool(t, "unshare"), slices.Concat(unshare, []string{"env"}, vars, []string{program(t)}, args)...)
}

// vendoring is a world with a declaration that needs all kinds of things from elsewhere.
func vendoring(t *testing.T) *world {
	w := newWorld(t)
	w.setenv("SOURCE_DATE_EPOCH=1700000000")
	w.poky(t)
	w.git(t, filepath.Join(w.work, "git/poky"), "update-server-info")
	repos := httptest.NewServer(http.FileServer(http.Dir(filepath.Join(w.work, "git"))))
	t.Cleanup(repos.Close)
	registry := startRegistry(t, w)
	w.file(t, "image.xml", "<redo>"+base(t)+"</redo>")
	w.build(t, "image.xml", "-B", "image")
	w.ok(t, program(t), "push", "image:base", registry+"/base:1")
	w.file(t, "caros.conf", "conf\n")
	w.file(t, "node.xml", `<redo>
  <layer_declaration><remote name="r" baseurl="`+repos.URL+`/"/><baselayer remote="r" repo="poky/.git" revision="HEAD"/></layer_declaration>
  <buildstage id="image"><action>FROM `+registry+`/base:1</action><action>RUN echo hello > /hello</action></buildstage>
  <buildstage id="node">
    <bootstrap suite="bookworm" variant="apt" security-mirror="none"/>
    <action>RUN apt-get update &amp;&amp; apt-get install -y --no-install-recommends hello</action>
    <action>ADD caros.conf /etc/caros.conf</action>
    <reposync/>
    <action>COPY --from=image /hello /hello</action>
  </buildstage>
  <disk id="d" stage="node" table="gpt"><partition name="root" fs="ext4" size="1G" path="/"/><generalize/></disk>
</redo>`)
	return w
}

// TestVendoredBuild: what docs/offline.md shows makes the same disk on a machine without a
// network as with one.
func TestVendoredBuild(t *testing.T) {
	w := vendoring(t)
	w.build(t, "node.xml", "-B", "online", "--no-cache", "--out", "online.raw")
	checkDownloads(t, w)
	var lines []string
	for _, words := range pageLines(t, "../docs/offline.md") {
		if strings.Contains(words, "node.xml") {
			lines = append(lines, words)
		}
	}
	if len(lines) != 2 {
		t.Fatalf("the page shows %q", lines)
	}
	r := w.ok(t, program(t), strings.Fields(lines[0])...)
	if !strings.Contains(r.stdout, "node.xml.lock: 1 image, 1 bootstrap with ") || !strings.Contains(r.stdout, ", 1 image, 1 commit, ") {
		t.Errorf("vendor says\n%s", r.stdout)
	}
	if r = w.airgapped(t, "empty", "node.xml", "--offline", "--out", "x.raw"); r.status != 5 {
		t.Errorf("without the folder: status %d\n%s", r.status, tailOf(r.stderr))
	}
	for _, want := range []string{": stage image:\n    image 127.0.0.1:", "stage node:\n    package ", "    package bash 5.2", "    commit ", "remedy:"} {
		if !strings.Contains(r.stderr, want) {
			t.Errorf("no %q in\n%s", want, r.stderr)
		}
	}
	if r = w.airgapped(t, "air", append([]string{"--progress=plain"}, strings.Fields(lines[1])...)...); r.status != 0 {
		t.Fatalf("status %d\n%s", r.status, tailOf(r.stderr))
	}
	if got, want := w.sha256Of(t, "node.raw"), w.sha256Of(t, "online.raw"); got != want {
		d := w.carosbuild(t, "diff", "online.raw", "node.raw")
		t.Errorf("the disks differ:\n%s", d.stdout)
	}
	damagedFolder(t, w)
}

// pageLines are the command lines of a page, without the program's name.
func pageLines(t *testing.T, page string) []string {
	t.Helper()
	data, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for line := range strings.Lines(string(data)) {
		if command, ok := strings.CutPrefix(line, "    carosbuild "); ok {
			command, _, _ = strings.Cut(command, " #")
			lines = append(lines, strings.TrimSpace(command))
		}
	}
	return lines
}

// checkDownloads: the report of the build has what the program fetched.
func checkDownloads(t *testing.T, w *world) {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(w.dir, "home/.local/state/carosbuild/logs/online/build.json"))
	if err != nil {
		t.Fatal(err)
	}
	var report struct {
		Downloads []struct {
			Kind, URL, Digest, Commit string
			Size                      int64
		}
	}
	if err := json.Unmarshal(data, &report); err != nil {
		t.Fatal(err)
	}
	count := map[string]int{}
	for _, d := range report.Downloads {
		count[d.Kind]++
		if d.Kind == "git" && d.Commit == "" || d.Kind != "git" && (d.Size == 0 || !strings.HasPrefix(d.Digest, "sha256:")) {
			t.Errorf("%+v", d)
		}
	}
	if count["deb"] < 50 || count["index"] < 4 || count["image manifest"] == 0 || count["git"] != 1 {
		t.Errorf("downloads: %v", count)
	}
}

// damagedFolder: a changed file of the folder is named, whether the list fits it or not.
func damagedFolder(t *testing.T, w *world) {
	t.Helper()
	debs, err := filepath.Glob(filepath.Join(w.work, "node.vendor/debian/*/pool/main/b/bash/bash_*.deb"))
	if err != nil || len(debs) != 1 {
		t.Fatalf("%v, %v", debs, err)
	}
	data, err := os.ReadFile(debs[0])
	if err != nil {
		t.Fatal(err)
	}
	old := fmt.Sprintf("%s", w.sha256Of(t, debs[0]))
	data[len(data)/2] ^= 1
	if err := os.WriteFile(debs[0], data, 0o644); err != nil {
		t.Fatal(err)
	}
	name := filepath.Base(debs[0])
	if r := w.airgapped(t, "damaged", "node.xml", "--vendor", "node.vendor"); r.status != 1 || !strings.Contains(r.stderr, name+" is damaged") {
		t.Errorf("status %d\n%s", r.status, tailOf(r.stderr))
	}
	list := filepath.Join(w.work, "node.vendor/vendor.json")
	text, err := os.ReadFile(list)
	if err != nil {
		t.Fatal(err)
	}
	text = []byte(strings.Replace(string(text), old, w.sha256Of(t, debs[0]), 1))
	if err := os.WriteFile(list, text, 0o644); err != nil {
		t.Fatal(err)
	}
	if r := w.airgapped(t, "damaged", "node.xml", "--vendor", "node.vendor"); r.status != 5 || !strings.Contains(r.stderr, name+": SHA256 is") {
		t.Errorf("status %d\n%s", r.status, tailOf(r.stderr))
	}
}

// TestOfflineStep: a step of a build without a network has none, whatever its stage asks
// for, and its result counts for a build with one.
func TestOfflineStep(t *testing.T) {
	w := newWorld(t)
	w.file(t, "a.xml", "<redo>"+base(t)+`<buildstage id="s" network="host"><prestage>base</prestage><action>RUN ip -o link | cut -d: -f2 | tr -d '\n'; echo " are all links"</action></buildstage></redo>`)
	w.setenv("CAROSBUILD_OFFLINE=1")
	r, _ := w.build(t, "a.xml")
	if !strings.Contains(r.stderr, "|  lo are all links") {
		t.Error(tailOf(r.stderr))
	}
	w.setenv("CAROSBUILD_OFFLINE=0")
	if _, ran := w.build(t, "a.xml"); len(ran) > 0 {
		t.Errorf("ran %v", ran)
	}
}
