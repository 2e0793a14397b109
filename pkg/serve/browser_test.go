// SPDX-License-Identifier: MPL-2.0

package serve

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/carosio/carosbuild/pkg/tooltest"
)

// browser opens an address in headless Chromium and returns the document as it
// stands after that, and what the console says.
func browser(t *testing.T, url string, flags ...string) (dom, console string) {
	t.Helper()
	path := tooltest.Find(t, "chromium")
	args := []string{
		"--headless", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run", "--disable-background-networking", "--user-data-dir=" + t.TempDir(),
		"--enable-logging=stderr", "--virtual-time-budget=5000", "--dump-dom",
	}
	if os.Getuid() == 0 || noNamespaces() { // its sandbox wants neither
		args = append(args, "--no-sandbox")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, path, append(append(args, flags...), url)...)
	cmd.Env = append(os.Environ(), "HOME="+t.TempDir())
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		t.Fatalf("chromium: %v\n%s", err, errs.String())
	}
	for line := range strings.SplitSeq(errs.String(), "\n") {
		if strings.Contains(line, "CONSOLE") {
			console += line + "\n"
		}
	}
	return out.String(), console
}

// noNamespaces reports whether this user may not make the namespaces that the
// browser's sandbox is made of.
func noNamespaces() bool {
	return exec.Command("unshare", "--user", "--map-root-user", "true").Run() != nil
}

func TestPageInBrowser(t *testing.T) {
	w := newWorld(t)
	w.site.Hash(t.Context())
	dom, console := browser(t, "http://"+w.addr+"/")
	if console != "" {
		t.Errorf("the console says:\n%s", console)
	}
	for _, want := range []string{
		`<html lang="en">`, "<title>2026-me – carosbuild</title>", `>core-image.ova</a>`, `>caros.vmdk</a>`, `&lt;b&gt;"&amp;'x.wic</a>`, `>SHA256SUMS</a>`,
		`>packages.tar</a>`, `>cooker-logs.tar.gz</a>`, `>package-logs.tar.gz</a>`, "Stage base failed", "make &lt;all&gt;", "&lt;script&gt;alert(2)&lt;/script&gt;", "git://example.org/poky",
		"1 h 01 min", "2 GiB", `<th scope="row">`,
	} {
		if !strings.Contains(dom, want) {
			t.Errorf("the page lacks %s", want)
		}
	}
	if n := strings.Count(dom, `<code class="digest">`); n != 9 { // two disks, six artifacts, a commit
		t.Errorf("%d digests on the page", n)
	}
}

// TestReportInBrowser: the report needs nothing that its policy forbids, and shows hostile
// names as text.
func TestReportInBrowser(t *testing.T) {
	w := newWorld(t)
	dom, console := browser(t, "http://"+w.addr+"/report.html")
	if console != "" {
		t.Errorf("the console says:\n%s", console)
	}
	for _, want := range []string{"<title>2026-me – report</title>", "Stage base failed", `<a href="./logs/base.log">`, "&lt;b&gt;log&lt;/b&gt;", "By directory", "/REDO/build/", "<rect class="} {
		if !strings.Contains(dom, want) {
			t.Errorf("the page lacks %s", want)
		}
	}
}

// TestViolationIsSeen sees that the browser of the test above would say so.
func TestViolationIsSeen(t *testing.T) {
	addr := start(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Security-Policy", policy)
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprint(w, `<!doctype html><p style="color: red">x</p>`)
	}))
	if _, console := browser(t, "http://"+addr+"/"); !strings.Contains(console, "Content Security Policy") {
		t.Errorf("a violation is not seen: %q", console)
	}
}

// TestPhone measures pages in a frame as wide as a small phone.
func TestPhone(t *testing.T) {
	paths := []string{"/", "/builds/", "/packages/all/", "/report.html"}
	w := newWorld(t)
	w.site.Hash(t.Context())
	addr := start(t, http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/measure" {
			fmt.Fprint(rw, "<!doctype html><body>")
			for _, path := range paths {
				fmt.Fprintf(rw, `<iframe src="%s" width="360" height="800" scrolling="no" style="border:0"></iframe>`, path)
			}
			fmt.Fprint(rw, `<script>onload = () => { for (const f of document.querySelectorAll("iframe")) {
				const e = f.contentDocument.documentElement
				document.body.append("[" + f.getAttribute("src") + " " + e.clientWidth + " " + e.scrollWidth + "]") } }</script>`)
			return
		}
		rec := httptest.NewRecorder()
		w.site.ServeHTTP(rec, r)
		for k, v := range rec.Header() {
			rw.Header()[k] = v
		}
		rw.Header().Set("Content-Security-Policy", strings.Replace(rw.Header().Get("Content-Security-Policy"), "frame-ancestors 'none'", "frame-ancestors 'self'", 1))
		rw.WriteHeader(rec.Code)
		_, _ = rw.Write(rec.Body.Bytes())
	}))
	dom, _ := browser(t, "http://"+addr+"/measure")
	found := regexp.MustCompile(`\[(/\S*) (\d+) (\d+)\]`).FindAllStringSubmatch(dom, -1)
	if len(found) != len(paths) {
		t.Fatalf("%d pages were measured, want %d:\n%s", len(found), len(paths), dom)
	}
	for _, m := range found {
		if n, err := strconv.Atoi(m[3]); err != nil || n > 360 || m[2] != "360" {
			t.Errorf("%s is %s wide in a frame of %s, want at most 360", m[1], m[3], m[2])
		}
	}
}
