// SPDX-License-Identifier: MPL-2.0

//go:build integration

package integration

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestBadInput: one clear error each, with the right exit status, and the old
// output is kept.
func TestBadInput(t *testing.T) {
	w := newWorld(t)
	b := base(t)
	root := `<buildstage id="s"><prestage>base</prestage><action>RUN dd if=/dev/urandom of=/big bs=1M count=40 2>/dev/null</action><action>RUN dd if=/dev/zero of=/sparse bs=1M seek=4096 count=1 2>/dev/null</action></buildstage>`
	disk := func(partitions string) string {
		return "<redo>" + b + root + `<disk id="d" stage="s" table="gpt" size="8G">` + partitions + `</disk></redo>`
	}
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody := closed.Addr().String()
	closed.Close()
	for _, tt := range []struct {
		name, text string
		status     int
		want       []string // all of it in the message
	}{
		{"unknown element", "<redo>" + b + `<buildstge id="x"><prestage>base</prestage></buildstge></redo>`, 3, []string{"a.xml:1:", "buildstge", "^^^^", `did you mean`, "buildstage"}},
		{"not XML", "<redo>", 3, []string{"a.xml:1:"}},
		{"cycle", `<redo><buildstage id="a"><prestage>b</prestage></buildstage><buildstage id="b"><prestage>a</prestage></buildstage></redo>`, 3, []string{"a.xml:1:", `"a"`, `"b"`}},
		{"missing stage", `<redo>` + b + `<buildstage id="a"><prestage>bse</prestage></buildstage></redo>`, 3, []string{"bse", `did you mean "base"`}},
		{"missing file", `<redo>` + b + `<buildstage id="a"><prestage>base</prestage><action>ADD none /x</action></buildstage></redo>`, 3, []string{"a.xml:1:", `"none"`, "does not exist"}},
		{"no command", `<redo>` + b + `<buildstage id="a"><prestage>base</prestage><action>RUN ["/bin/nonsense"]</action></buildstage></redo>`, 1, []string{"a.xml:1:", "/bin/nonsense"}},
		{
			"failed step", `<redo>` + b + `<buildstage id="a"><prestage>base</prestage><action>RUN echo some words; exit 7</action></buildstage></redo>`, 1,
			[]string{"a.xml:1:", "exit status 7", "| some words", "full log:", "carosbuild shell", ":a-failure"},
		},
		{"FAT file too large", disk(`<partition name="p" fs="fat32" size="6G"><copy from="/sparse" to="/sparse"/></partition>`), 1, []string{`partition "p"`, "/sparse", "4 GiB"}},
		{"content too large", disk(`<partition name="p" fs="ext4" size="32M" path="/"/>`), 3, []string{"a.xml:1:", "p", "needs"}},
		{"overlap", disk(`<partition name="p" fs="ext4" start="1M" size="512M" path="/"/><partition name="q" fs="fat32" start="100M" size="64M"><copy from="/bin/busybox" to="/b"/></partition>`), 3, []string{"a.xml:1:", "p", "q", "overlap"}},
		{"too large for the disk", disk(`<partition name="p" fs="ext4" size="9G" path="/"/>`), 3, []string{"a.xml:1:", "p"}},
		{"nothing to copy", disk(`<partition name="p" fs="fat32" size="64M"><copy from="/boot/vmlinuz-*" to="/k"/></partition>`), 3, []string{"a.xml:1:", "/boot"}},
		{"unknown module", disk(`<partition name="p" fs="fat32" size="64M"><initrd to="/i" modules="nonsense"/></partition>`), 3, []string{"a.xml:1:", "lib/modules"}},
		{"unreachable mirror", `<redo><buildstage id="a"><bootstrap suite="bookworm" mirror="http://` + nobody + `/debian" security-mirror="none"/></buildstage></redo>`, 5, []string{nobody}},
		{"unreachable registry", `<redo><buildstage id="a"><action>FROM ` + nobody + `/x:1</action></buildstage></redo>`, 5, []string{nobody}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w.file(t, "a.xml", tt.text)
			old := w.file(t, "d.raw", "old")
			args := []string{"--progress=plain", "a.xml"}
			if strings.Contains(tt.text, "<disk") {
				args = append(args, "--out", "d.raw")
			}
			r := w.carosbuild(t, args...)
			if r.status != tt.status {
				t.Errorf("exit status %d, want %d\n%s", r.status, tt.status, tailOf(r.stderr))
			}
			for _, s := range tt.want {
				if !strings.Contains(r.stderr, s) {
					t.Errorf("the message lacks %q:\n%s", s, tailOf(r.stderr))
				}
			}
			if n := strings.Count(r.stderr, "error:") + strings.Count(r.stderr, "carosbuild:"); n != 1 {
				t.Errorf("%d errors are shown, want one:\n%s", n, tailOf(r.stderr))
			}
			if data, err := os.ReadFile(old); err != nil || string(data) != "old" {
				t.Errorf("the old output is gone (%v)", err)
			}
			if entries, err := os.ReadDir(w.work); err != nil || len(entries) != 2 {
				t.Errorf("the folder has %v (%v)", entries, err)
			}
		})
	}
}

// A mirror in between that changes what it hands on.
func TestTamperedMirror(t *testing.T) {
	w := newWorld(t)
	mirror := hostMirror(t)
	var tamper func(path string, body []byte) []byte
	srv := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		resp, err := http.Get(mirror + strings.TrimPrefix(r.URL.Path, "/debian"))
		if err != nil {
			http.Error(rw, err.Error(), http.StatusBadGateway)
			return
		}
		defer resp.Body.Close()
		body := new(strings.Builder)
		if _, err := fmt.Fprint(body, readAll(resp)); err != nil {
			return
		}
		rw.WriteHeader(resp.StatusCode)
		rw.Write(tamper(r.URL.Path, []byte(body.String())))
	}))
	defer srv.Close()
	w.file(t, "a.xml", `<redo><buildstage id="a"><bootstrap suite="bookworm" mirror="`+srv.URL+`/debian" security-mirror="none"/></buildstage></redo>`)
	flip := func(b []byte) []byte {
		b = append([]byte{}, b...)
		if len(b) > 100 {
			b[len(b)/2] ^= 1
		}
		return b
	}
	for _, tt := range []struct {
		name, match string
		want        []string
	}{
		{"bad signature", "InRelease", []string{"InRelease", "signature"}},
		{"wrong hash of an index", "Packages", []string{"index of bookworm", "SHA256 is", "the signed index says"}},
		{"wrong hash of a package", "/pool/main/b/bash/", []string{"fetch bash", "SHA256 is", "the signed index says"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tamper = func(path string, b []byte) []byte {
				if strings.Contains(path, tt.match) || tt.match == "Packages" && strings.Contains(path, "/by-hash/") {
					return flip(b)
				}
				return b
			}
			r := w.carosbuild(t, "--progress=plain", "a.xml")
			if r.status != 5 {
				t.Errorf("exit status %d", r.status)
			}
			for _, s := range tt.want {
				if !strings.Contains(strings.ToLower(r.stderr), strings.ToLower(s)) {
					t.Errorf("the message lacks %q:\n%s", s, tailOf(r.stderr))
				}
			}
			if left, err := filepath.Glob(filepath.Join(w.graph, "overlay-layers/*.tar-split.gz")); err != nil || len(left) != 0 {
				t.Errorf("a layer came of it: %v, %v", left, err)
			}
		})
	}
}

func readAll(r *http.Response) string {
	var b strings.Builder
	buf := make([]byte, 64<<10)
	for {
		n, err := r.Body.Read(buf)
		b.Write(buf[:n])
		if err != nil {
			return b.String()
		}
	}
}

// hostMirror is the mirror that the host's own apt uses.
func hostMirror(t *testing.T) string {
	t.Helper()
	files, err := filepath.Glob("/etc/apt/sources.list.d/*.sources")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range append(files, "/etc/apt/sources.list") {
		data, err := os.ReadFile(f)
		if err != nil {
			continue
		}
		for word := range strings.FieldsSeq(string(data)) {
			if strings.HasPrefix(word, "http") && strings.HasSuffix(strings.TrimRight(word, "/"), "/debian") {
				return strings.TrimRight(word, "/")
			}
		}
	}
	missing(t, "the host's apt names no Debian mirror")
	return ""
}

// No space for the output, or no place at all: said, and nothing is left.
func TestOutputRefused(t *testing.T) {
	w := newWorld(t)
	w.file(t, "a.xml", "<redo>"+base(t)+`<disk id="d" stage="base" table="gpt" size="1G"><partition name="p" fs="ext4" size="rest" path="/"/></disk></redo>`)
	if err := os.Mkdir(filepath.Join(w.work, "dir.raw"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		out    string
		status int
		want   string
	}{
		{"dir.raw", 1, "directory"}, {"none/d.raw", 1, "none"}, {"d.zip", 2, "zip"}, {"d", 2, "ending"},
	} {
		r := w.carosbuild(t, "--progress=plain", "a.xml", "--out", tt.out)
		if r.status != tt.status || !strings.Contains(r.stderr, tt.want) {
			t.Errorf("--out %s: exit status %d, want %d, message with %q:\n%s", tt.out, r.status, tt.status, tt.want, tailOf(r.stderr))
		}
	}
	// A file system of 2 MB, in a namespace of its own.
	small := filepath.Join(w.dir, "small")
	if err := os.Mkdir(small, 0o755); err != nil {
		t.Fatal(err)
	}
	conf := w.file(t, "../storage.conf", fmt.Sprintf("[storage]\ndriver = \"overlay\"\ngraphroot = %q\nrunroot = %q\n", w.dir+"/graph2", w.dir+"/run/2"))
	script := `mount -t tmpfs -o size=300k tmpfs "$1" && echo old > "$1/d.vmdk" && CONTAINERS_STORAGE_CONF=$3 "$2" --progress=plain a.xml --out "$1/d.vmdk"
		s=$?; cat "$1/d.vmdk"; ls -A "$1"; exit $s`
	unshare := []string{"--mount", "--map-auto", "--map-root-user"}
	if os.Getuid() == 0 {
		unshare = unshare[:1]
	}
	r := w.run(t, "unshare", append(unshare, "/bin/sh", "-c", script, "sh", small, program(t), conf)...)
	if r.status != 1 || r.stdout != "old\nd.vmdk\n" || !strings.Contains(r.stderr, "no space left") {
		t.Errorf("exit status %d, output %q\n%s", r.status, r.stdout, tailOf(r.stderr))
	}
}
