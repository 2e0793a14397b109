// SPDX-License-Identifier: MPL-2.0

//go:build bench

package integration

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
)

// load is how many clients download a file how often at a time, and how long
// that may take.
const (
	loadClients   = 16
	loadDownloads = 2
	loadWithin    = 3 * time.Minute
)

// benchServe has clients on this machine download a disk with 128 MiB of noise,
// all at once, from serve and from busybox's httpd.
func benchServe(t *testing.T, w *world) {
	w.file(t, "serve.xml", `<redo>`+base(t)+`<buildstage id="data"><prestage>base</prestage><action>RUN dd if=/dev/urandom of=/data bs=1M count=128</action></buildstage>
		<disk id="d" stage="data" table="gpt"><partition name="root" fs="ext4" size="fit" path="/"/></disk></redo>`)
	w.build(t, "serve.xml", "-B", "serve", "--out", "served.raw")
	st, err := os.Stat(filepath.Join(w.work, "served.raw"))
	if err != nil {
		t.Fatal(err)
	}
	url, stop := w.serve(t, "serve")
	defer stop()
	urls := []string{url + "/disks/served.raw", httpd(t, w) + "/served.raw"}
	ms := []measured{{name: "carosbuild serve"}, {name: "busybox httpd"}}
	for i := range rounds() + 1 {
		for k, url := range urls {
			start := time.Now()
			if err := download(t.Context(), url, st.Size()); err != nil {
				t.Fatalf("%s: %v", ms[k].name, err)
			}
			if i > 0 {
				ms[k].walls = append(ms[k].walls, time.Since(start))
			}
		}
	}
	title := fmt.Sprintf("(l) %d clients on loopback download %d bytes %d times each", loadClients, st.Size(), loadDownloads)
	report(t, title, 1, ms)
	for _, m := range ms {
		fmt.Printf("  %s: %.0f MiB/s\n", m.name, float64(loadClients*loadDownloads*st.Size())/(1<<20)/m.median().Seconds())
	}
}

// download has all clients get the file, which has size bytes.
func download(ctx context.Context, url string, size int64) error {
	ctx, cancel := context.WithTimeout(ctx, loadWithin)
	defer cancel()
	g, ctx := errgroup.WithContext(ctx)
	for range loadClients {
		g.Go(func() error {
			c := &http.Client{Transport: &http.Transport{}}
			defer c.CloseIdleConnections()
			for range loadDownloads {
				if err := downloadOnce(ctx, c, url, size); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return g.Wait()
}

func downloadOnce(ctx context.Context, c *http.Client, url string, size int64) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	resp, err := c.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	// io.Discard itself would read 8 KiB at a time.
	n, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, struct{ io.Reader }{resp.Body}, make([]byte, 256<<10))
	if err == nil && (resp.StatusCode != http.StatusOK || n != size) {
		err = fmt.Errorf("%s with %d bytes of %d", resp.Status, n, size)
	}
	return err
}

// httpd serves the work folder until the test ends, and returns its address.
func httpd(t *testing.T, w *world) string {
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := free.Addr().String()
	if err := free.Close(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cmd := w.command(ctx, tool(t, "busybox"), "httpd", "-f", "-p", addr, "-h", w.work)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cancel(); _ = cmd.Wait() })
	for range 100 {
		if c, err := net.Dial("tcp", addr); err == nil {
			_ = c.Close()
			return "http://" + addr
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Fatal("busybox httpd does not answer")
	return ""
}
