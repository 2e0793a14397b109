// SPDX-License-Identifier: MPL-2.0

package serve

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/carosio/carosbuild/pkg/results"
)

func members(t *testing.T, r io.Reader) map[string]string {
	t.Helper()
	out := map[string]string{}
	for tr := tar.NewReader(r); ; {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			return out
		}
		if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(tr)
		if err != nil {
			t.Fatal(err)
		}
		out[h.Name] = string(data)
	}
}

func TestArchives(t *testing.T) {
	w := newWorld(t)
	for _, tt := range []struct {
		path, ctype string
		want        map[string]string
	}{
		{"/packages.tar", "application/x-tar", map[string]string{"packages/all/a_1.ipk": "package a", "packages/Packages": "Package: a\n"}},
		{"/cooker-logs.tar.gz", "application/gzip", map[string]string{"cooker-logs/vm/1.log": "cooker\n"}},
		{"/package-logs.tar.gz", "application/gzip", map[string]string{"package-logs/vm/x/1/temp/log.do_compile": "compile\n"}},
	} {
		got := w.get(t, tt.path)
		if got.status != 200 || got.err != nil || got.header.Get("Content-Type") != tt.ctype {
			t.Errorf("%s: %d %s %v", tt.path, got.status, got.header.Get("Content-Type"), got.err)
		}
		var r io.Reader = strings.NewReader(got.body)
		if tt.ctype == "application/gzip" {
			gz, err := gzip.NewReader(r)
			if err != nil {
				t.Fatal(err)
			}
			r = gz
		}
		if diff := cmp.Diff(members(t, r), tt.want); diff != "" {
			t.Errorf("%s (-got +want):\n%s", tt.path, diff)
		}
		if head := w.raw(t, "HEAD "+tt.path); head.status != 200 || head.body != "" || head.header.Get("Content-Type") != tt.ctype {
			t.Errorf("HEAD %s: %d", tt.path, head.status)
		}
	}
}

// TestArchiveCut loses a package after the first: the client must see that the
// archive is not whole.
func TestArchiveCut(t *testing.T) {
	w := newWorld(t)
	if err := os.Remove(filepath.Join(w.stage, "REDO/build/tmp/deploy/ipk/all/a_1.ipk")); err != nil {
		t.Fatal(err)
	}
	if got := w.get(t, "/packages.tar"); got.status == 200 && got.err == nil {
		t.Error("an archive without one of its members looks whole")
	}
}

// TestPolicy holds the style sheet of a page against the policy of its answer.
func TestPolicy(t *testing.T) {
	w := newWorld(t)
	got := w.get(t, "/")
	m := regexp.MustCompile(`(?s)<style>(.*)</style>`).FindStringSubmatch(got.body)
	if m == nil || !strings.Contains(got.header.Get("Content-Security-Policy"), hashOf(m[1])) {
		t.Error("the policy does not allow the page's own style")
	}
	for _, bad := range []string{"<script", "style=", "onclick", "javascript:alert(1).wic\"><"} {
		if strings.Contains(got.body, bad) {
			t.Errorf("the page has %s", bad)
		}
	}
	if !strings.Contains(got.body, `href="./javascript:alert%281%29.wic"`) {
		t.Error("a name that looks like a scheme is not linked to as a name")
	}
}

func TestDigests(t *testing.T) {
	file := filepath.Join(t.TempDir(), "digests.json")
	content := filepath.Join(t.TempDir(), "x")
	put(t, content, "hello")
	sum := sha256.Sum256([]byte("hello"))
	want := hex.EncodeToString(sum[:])
	var learned []string
	d, err := OpenDigests(file, map[string]string{"other": "known"}, func(key, sum string) { learned = append(learned, key+"="+sum) })
	if err != nil {
		t.Fatal(err)
	}
	opened := 0
	var wg, asked sync.WaitGroup
	asked.Add(8)
	open := func() (results.Content, error) {
		asked.Wait()
		opened++
		return os.Open(content)
	}
	for range 8 {
		wg.Go(func() {
			asked.Done()
			if got, err := d.Of(t.Context(), "k", open); got != want || err != nil {
				t.Errorf("digest %s, want %s (%v)", got, want, err)
			}
		})
	}
	wg.Wait()
	if opened != 1 {
		t.Errorf("read %d times, want once", opened)
	}
	if diff := cmp.Diff(learned, []string{"k=" + want}); diff != "" {
		t.Errorf("learned (-got +want):\n%s", diff)
	}
	again, err := OpenDigests(file, nil, nil)
	if err != nil || again.Known("k") != want || d.Known("other") != "known" {
		t.Errorf("kept: %q %v", again.Known("k"), err)
	}
	for _, text := range []string{"damaged", "null", "[]"} {
		put(t, file, text)
		if again, err = OpenDigests(file, nil, nil); err != nil || again.Known("k") != "" {
			t.Errorf("of a damaged file: %q %v", again.Known("k"), err)
		}
		if sum, err := again.Of(t.Context(), "k", open); sum != want || err != nil {
			t.Errorf("after a damaged file: %s %v", sum, err)
		}
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := d.Of(gone, "new", open); !errors.Is(err, context.Canceled) {
		t.Errorf("after its end: %v", err)
	}
}

// TestSendFile sends pieces of a file that are larger than a chunk through the
// connection type, and sees that all arrive.
func TestSendFile(t *testing.T) {
	data := bytes.Repeat([]byte("0123456789abcdef"), (3*chunk+1600)/16)
	name := filepath.Join(t.TempDir(), "x")
	put(t, name, string(data))
	addr := start(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f, err := os.Open(name)
		if err != nil {
			t.Error(err)
			return
		}
		defer f.Close()
		w.Header().Set("Content-Length", "99999999")
		if r.URL.Path == "/part" {
			w.Header().Set("Content-Length", "2097153")
			if n, err := io.CopyN(w, f, 2*chunk+1); n != 2*chunk+1 || err != nil {
				t.Errorf("part: %d bytes, %v", n, err)
			}
			return
		}
		n, err := io.Copy(w, f)
		if n != int64(len(data)) || err != nil {
			t.Errorf("whole: %d bytes, %v", n, err)
		}
	}))
	for path, want := range map[string][]byte{"/part": data[:2*chunk+1], "/whole": data} {
		resp, err := http.Get("http://" + addr + path)
		if err != nil {
			t.Fatal(err)
		}
		got, _ := io.ReadAll(resp.Body) // the whole one claims to be longer
		resp.Body.Close()
		if !bytes.Equal(got, want) {
			t.Errorf("%s: %d bytes, want %d", path, len(got), len(want))
		}
	}
}

// TestConnections takes all slots: one more is served when one is given back.
func TestConnections(t *testing.T) {
	inner, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := newListener(inner)
	defer l.Close()
	var clients, served []net.Conn
	for range maxConns + 1 {
		c, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", inner.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		clients = append(clients, c)
	}
	for range maxConns {
		c, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		served = append(served, c)
	}
	next := make(chan net.Conn)
	go func() {
		c, err := l.Accept()
		if err != nil {
			t.Error(err)
		}
		next <- c
	}()
	select {
	case <-next:
		t.Fatal("one more than allowed was accepted")
	default:
	}
	for range 2 { // closing twice gives back one slot
		served[0].Close()
	}
	served = append(served, <-next)
	if len(l.slots) != maxConns {
		t.Errorf("%d slots taken, want %d", len(l.slots), maxConns)
	}
	for _, c := range append(clients, served...) {
		c.Close()
	}
}
