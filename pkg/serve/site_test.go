// SPDX-License-Identifier: MPL-2.0

package serve

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/carosio/carosbuild/pkg/history"
	"github.com/carosio/carosbuild/pkg/plan"
	"github.com/carosio/carosbuild/pkg/report"
	"github.com/carosio/carosbuild/pkg/results"
)

// world is a served build: a stage's directory, disks and logs.
type world struct {
	stage, disks, logs string
	site               *Site
	addr               string
	made               int // how often the report was made
}

// longName is as long as a file name may be.
var longName = strings.Repeat("long-", 50) + ".wic"

// newWorld serves a build that has failed, and another one.
func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{stage: t.TempDir(), disks: t.TempDir(), logs: t.TempDir()}
	const deploy = "REDO/build/tmp/deploy/"
	for name, content := range map[string]string{
		deploy + "images/vm/core-image.ova": strings.Repeat("0123456789", 1000), deploy + "images/vm/page.html.wic": "<script>alert(1)</script>",
		deploy + `images/vm/<b>"&'x.wic`: "odd", deploy + "images/vm/" + longName: "long", deploy + "images/vm/javascript:alert(1).wic": "scheme",
		deploy + "ipk/all/a_1.ipk": "package a", deploy + "ipk/Packages": "Package: a\n",
		"REDO/build/tmp/log/cooker/vm/1.log": "cooker\n", "REDO/build/tmp/work" + "/vm/x/1/temp/log.do_compile": "compile\n",
		"etc/passwd": "the stage's own", "secret": "not offered",
	} {
		put(t, filepath.Join(w.stage, name), content)
	}
	if err := os.Symlink("/etc/passwd", filepath.Join(w.stage, deploy, "images/vm/link.wic")); err != nil {
		t.Fatal(err)
	}
	put(t, filepath.Join(w.disks, "caros.vmdk"), "the disk")
	put(t, filepath.Join(w.disks, "again/caros.vmdk"), "another disk")
	put(t, filepath.Join(w.logs, "base.log"), "<b>log</b>\n")
	put(t, filepath.Join(w.logs, "other.txt"), "not a log")
	root, err := results.OpenRoot(w.stage, "layer")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { root.Close() })
	set, err := results.Collect(t.Context(), results.Request{Stage: "top", Root: func(string) (*results.Root, error) { return root, nil }})
	if err != nil {
		t.Fatal(err)
	}
	main := &Build{Report: w.report(t), Stage: "top", LogDir: w.logs, Logs: []string{"base.log"}, Set: set, Cooker: root.CookerLogs, PackageLogs: root.PackageLogs}
	old := &Build{Report: &history.Report{BuildID: "old", Status: history.Done, Start: time.Unix(0, 0), End: time.Unix(5, 0)}, LogDir: w.logs, Logs: []string{"base.log"}}
	main.Page = func(ctx context.Context) ([]byte, error) {
		space, err := report.Measure(ctx, root, "top")
		if err != nil {
			return nil, err
		}
		in := report.Input{Build: main.Report, Space: space, Zone: time.UTC, Foot: "foot"}
		if in.Logs, err = report.Logs(w.logs, main.Report, LogAddress); err != nil {
			return nil, err
		}
		w.made++
		var b bytes.Buffer
		err = report.Write(&b, in)
		return b.Bytes(), err
	}
	old.Page = func(context.Context) ([]byte, error) { return nil, errors.New("a secret path") }
	digests, err := OpenDigests(filepath.Join(w.logs, "digests.json"), nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	w.site = NewSite(main, []*Build{main, old}, Options{Loopback: true, Zone: time.UTC, Digests: digests})
	w.addr = start(t, w.site)
	return w
}

func put(t *testing.T, name, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

func (w *world) report(t *testing.T) *history.Report {
	t.Helper()
	var outputs []history.Output
	for _, name := range []string{"caros.vmdk", "again/caros.vmdk"} {
		p := filepath.Join(w.disks, name)
		st, err := os.Stat(p)
		if err != nil {
			t.Fatal(err)
		}
		outputs = append(outputs, history.Output{Path: p, Format: "vmdk", Size: st.Size(), ModTime: st.ModTime(), Inode: history.Inode(st)})
	}
	step := func(status history.Status, text string) history.StepReport {
		return history.StepReport{Kind: "RUN", Text: text, Status: status, Started: time.Unix(1e9+60, 0), Seconds: 61, Size: 5000}
	}
	return &history.Report{
		Schema: 1, BuildID: "2026-me", Status: history.Failed, Start: time.Unix(1e9, 0), End: time.Unix(1e9+3700, 0), Program: "1.2",
		Declarations: []history.FileReport{{Name: "a.xml", SHA256: "aa"}}, Targets: []string{"top"},
		Stages: []history.StageReport{
			{ID: "base", Status: history.Done, Seconds: 30, Size: 1 << 20, Log: "base.log", Steps: []history.StepReport{step(history.Done, "one"), {Kind: "FROM", Text: "x", Status: history.Done, Cached: true}}},
			{ID: "top-" + strings.Repeat("x", 120), Status: history.Failed, Seconds: 120, Size: 1 << 31, Steps: []history.StepReport{step(history.Failed, strings.Repeat("word", 200)), step(history.NotRun, "<i>no</i>")}},
		},
		Outputs: outputs,
		Trees:   []plan.GitTree{{Path: "/REDO/source/poky", URL: "git://example.org/poky", Revision: "jethro", Commit: strings.Repeat("ab", 20)}},
		Failed:  &history.FailedStep{Stage: "base", Step: 1, Kind: "RUN", Text: "make <all>", Status: 7, Tail: []string{"<script>alert(2)</script>", strings.Repeat("y", 500)}, Image: "2026-me:base-failure"},
	}
}

// start serves h on a free port until the test ends.
func start(t *testing.T, h http.Handler) string {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan error, 1)
	go func() { ended <- Serve(ctx, l, h) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
	return l.Addr().String()
}

// answer is a response that was read to its end.
type answer struct {
	status int
	header http.Header
	body   string
	err    error // of reading the body
}

// raw sends a request line and headers as they are: a client library would
// clean the path.
func (w *world) raw(t *testing.T, line string, headers ...string) answer {
	t.Helper()
	c, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", w.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(strings.Join(headers, ""), "Host:") {
		headers = append(headers, "Host: localhost")
	}
	fmt.Fprintf(c, "%s HTTP/1.1\r\n%s\r\nConnection: close\r\n\r\n", line, strings.Join(headers, "\r\n"))
	method, _, _ := strings.Cut(line, " ")
	resp, err := http.ReadResponse(bufio.NewReader(c), &http.Request{Method: method})
	if err != nil {
		return answer{err: err}
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return answer{resp.StatusCode, resp.Header, string(body), err}
}

func (w *world) get(t *testing.T, path string, headers ...string) answer {
	t.Helper()
	return w.raw(t, "GET "+path, headers...)
}

func TestServes(t *testing.T) {
	w := newWorld(t)
	for _, tt := range []struct {
		path, ctype, body string
	}{
		{"/core-image.ova", "application/x-tar", strings.Repeat("0123456789", 1000)},
		{"/page.html.wic", "application/octet-stream", "<script>alert(1)</script>"},
		{"/%3Cb%3E%22&'x.wic", "application/octet-stream", "odd"},
		{"/link.wic", "application/octet-stream", "the stage's own"},
		{"/" + longName, "application/octet-stream", "long"},
		{"/javascript:alert(1).wic", "application/octet-stream", "scheme"},
		{"/disks/caros.vmdk", "application/octet-stream", "the disk"},
		{"/disks/2-caros.vmdk", "application/octet-stream", "another disk"},
		{"/packages/all/a_1.ipk", "application/octet-stream", "package a"},
		{"/packages/Packages", "application/octet-stream", "Package: a\n"},
		{"/logs/base.log", plainText, "<b>log</b>\n"},
		{"/log.txt", plainText, "===== base.log\n<b>log</b>\n"},
		{"/builds/old/logs/base.log", plainText, "<b>log</b>\n"},
	} {
		got := w.get(t, tt.path)
		if got.status != 200 || got.body != tt.body || got.header.Get("Content-Type") != tt.ctype {
			t.Errorf("%s: %d %s %q", tt.path, got.status, got.header.Get("Content-Type"), got.body[:min(len(got.body), 80)])
		}
		for name, want := range map[string]string{"X-Content-Type-Options": "nosniff", "Content-Security-Policy": policy} {
			if v := got.header.Get(name); v != want {
				t.Errorf("%s: %s %q, want %q", tt.path, name, v, want)
			}
		}
		head := w.raw(t, "HEAD "+tt.path)
		if head.status != 200 || head.body != "" || head.header.Get("Content-Type") != tt.ctype {
			t.Errorf("HEAD %s: %d %q", tt.path, head.status, head.body)
		}
	}
}

// TestReport: the report is made once, has a policy for its own style, and an error says
// nothing of this machine.
func TestReport(t *testing.T) {
	w := newWorld(t)
	for range 3 {
		got := w.get(t, "/report.html")
		if got.status != 200 || got.header.Get("Content-Type") != "text/html; charset=utf-8" || got.header.Get("Content-Security-Policy") != policyFor(report.Style) {
			t.Errorf("%d %v", got.status, got.header)
		}
		if strings.Contains(got.body, "<script") || !strings.Contains(got.body, "<style>"+report.Style+"</style>") {
			t.Error("the page has a script, or another style than the policy allows")
		}
	}
	if w.made != 1 {
		t.Errorf("it was made %d times", w.made)
	}
	if got := w.get(t, "/builds/old/report.html"); got.status != 500 || strings.Contains(got.body, "secret") {
		t.Errorf("a report that cannot be made: %d %s", got.status, got.body)
	}
	if page := w.get(t, "/"); !strings.Contains(page.body, `<a href="./report.html">Report</a>`) {
		t.Error("the page of the build does not link to it")
	}
}

// TestNothingElse asks for what is not on the page.
func TestNothingElse(t *testing.T) {
	w := newWorld(t)
	for _, path := range []string{
		"/secret", "/etc/passwd", "/REDO/build/tmp/deploy/images/vm/core-image.ova", "/other.txt", "/logs/other.txt", "/logs/digests.json", "/logs/", "/disks/", "/disks",
		"/../etc/passwd", "/../../../../../../../../etc/passwd", "/packages/../secret", "/packages/../../../../../secret", "/packages/all/../../../../../secret",
		"/%2e%2e/%2e%2e/etc/passwd", "/packages/%2e%2e/%2e%2e/secret", "/packages/..%2f..%2fsecret", "/packages/all%2f..%2fPackages", "/packages/all%2fa_1.ipk%00",
		"/core-image.ova%00", "/core-image.ova%00.html", "/packages\\..\\..\\secret", "/packages/..\\secret", "/packages/%5c..%5csecret",
		"//etc/passwd", "//core-image.ova", "/packages//all/a_1.ipk", "/./core-image.ova", "/core-image.ova/", "/core-image.ova/..", "/disks/../core-image.ova",
		"/disks//etc/passwd", "/disks/" + strings.TrimPrefix(w.disks, "/") + "/caros.vmdk", "/builds/none/", "/builds/old/core-image.ova", "/builds/old/packages/", "/builds/../core-image.ova",
		"/packages.tar/", "/favicon.ico", "/robots.txt", "/.well-known/x", "/%", "/core-image.ova?x=%00&../", "/packages/all/../all/a_1.ipk", "/CORE-IMAGE.OVA",
		"/proc/self/environ", "/file:///etc/passwd",
	} {
		got := w.get(t, path)
		if path == "/core-image.ova?x=%00&../" { // a query means nothing
			if got.status != 200 {
				t.Errorf("%s: %d", path, got.status)
			}
			continue
		}
		if got.status != 404 && got.status != 400 {
			t.Errorf("%s: status %d %q", path, got.status, got.body[:min(len(got.body), 80)])
		}
	}
}

func TestRefuses(t *testing.T) {
	w := newWorld(t)
	for _, tt := range []struct {
		line    string
		headers []string
		want    int
	}{
		{"POST /", nil, 405},
		{"PUT /core-image.ova", nil, 405},
		{"DELETE /core-image.ova", nil, 405},
		{"OPTIONS /", nil, 405},
		{"TRACE /", nil, 405},
		{"GET /", []string{"Content-Length: 5"}, 400},
		{"GET /", []string{"Transfer-Encoding: chunked"}, 400},
		{"GET /", []string{"Host: rebound.example.org"}, 421},
		{"GET /", []string{"Host: 192.0.2.1:80"}, 421},
		{"GET /", []string{"Host: localhost.example.org"}, 421},
		{"GET /", []string{"Host: 127.0.0.1:1234"}, 200},
		{"GET /", []string{"Host: [::1]:1234"}, 200},
		{"GET http://rebound.example.org/", []string{"Host: localhost"}, 421},
		{"GET /", []string{"X: " + strings.Repeat("x", 64<<10)}, 431},
	} {
		if got := w.raw(t, tt.line, tt.headers...); got.status != tt.want {
			t.Errorf("%s %.40v: status %d, want %d (%v)", tt.line, tt.headers, got.status, tt.want, got.err)
		}
	}
}

func TestRanges(t *testing.T) {
	w := newWorld(t)
	etag := w.get(t, "/core-image.ova").header.Get("ETag")
	if !strings.HasPrefix(etag, `"`) {
		t.Errorf("entity tag %q is not a strong one", etag)
	}
	many := "Range: bytes=" + strings.TrimSuffix(strings.Repeat("0-1,", maxRanges+1), ",")
	for _, tt := range []struct {
		name    string
		headers []string
		status  int
		body    string
	}{
		{"middle", []string{"Range: bytes=3-6"}, 206, "3456"},
		{"resume", []string{"Range: bytes=9998-", "If-Range: " + etag}, 206, "89"},
		{"resume another", []string{"Range: bytes=9998-", `If-Range: "other"`}, 200, strings.Repeat("0123456789", 1000)},
		{"end", []string{"Range: bytes=-3"}, 206, "789"},
		{"beyond", []string{"Range: bytes=10000-"}, 416, "invalid range: failed to overlap\n"},
		{"too many", []string{many}, 416, "too many ranges\n"},
		{"not modified", []string{"If-None-Match: " + etag}, 304, ""},
	} {
		got := w.get(t, "/core-image.ova", tt.headers...)
		if got.status != tt.status || got.body != tt.body {
			t.Errorf("%s: %d %.60q, want %d %.60q", tt.name, got.status, got.body, tt.status, tt.body)
		}
	}
	got := w.get(t, "/core-image.ova", "Range: bytes=0-1,5-6")
	if got.status != 206 || !strings.HasPrefix(got.header.Get("Content-Type"), "multipart/byteranges") || !strings.Contains(got.body, "\r\n\r\n56\r\n") {
		t.Errorf("two ranges: %d %q", got.status, got.body)
	}
}

func TestReportIsServed(t *testing.T) {
	w := newWorld(t)
	w.site.Hash(t.Context())
	var got history.Report
	if err := json.Unmarshal([]byte(w.get(t, "/build.json").body), &got); err != nil {
		t.Fatal(err)
	}
	if got.BuildID != "2026-me" || got.Outputs[0].Path != "caros.vmdk" || len(got.Outputs[0].SHA256) != 64 {
		t.Errorf("report %s with output %+v", got.BuildID, got.Outputs[0])
	}
	if got := w.get(t, "/builds/old"); got.status != 301 || got.header.Get("Location") != "old/" {
		t.Errorf("/builds/old: %d %s", got.status, got.header.Get("Location"))
	}
}
