// SPDX-License-Identifier: MPL-2.0

//go:build integration

package integration

import (
	"archive/tar"
	"bytes"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/carosio/carosbuild/pkg/history"
)

// yoctoStage leaves what bitbake would, and links that lead out of the
// stage: to a file that only the host has, and to a link inside of a loop.
func yoctoStage(t *testing.T, hostOnly string) string {
	return "<redo>" + base(t) + `
		<buildstage id="050-yocto"><prestage>base</prestage><action><![CDATA[RUN set -e
T=/REDO/build/tmp; W=$T/work; D=$T/deploy; mkdir -p $D/images/vm $D/ipk/all $T/log/cooker/vm $W/all/x/1/temp $W/vm/x/1/temp; cd $D/images/vm
dd if=/dev/urandom of=core-image-2016.ova bs=1M count=3; ln -s core-image-2016.ova core-image.ova
truncate -s 300M card.img; ln -s card.img core-image.sunxi-sdimg
echo private > zImage; chmod 600 zImage; chown 33:44 zImage; mkdir /etc; echo host > /etc/hostname
ln -s ` + hostOnly + ` absolute.iso; ln -s ../../../../../../../../../../..` + hostOnly + ` dots.iso; ln -s /etc/hostname own.iso
ln -s loop2.iso loop1.iso; ln -s loop1.iso loop2.iso; ln -s /proc/1/root` + hostOnly + ` proc.iso; mkfifo pipe.ova; ln -s / root.iso
echo Package: x > $D/ipk/Packages; echo x > $D/ipk/all/x_1_all.ipk; ln -s ` + hostOnly + ` $D/ipk/all/host.ipk
echo cooker > $T/log/cooker/vm/1.log; echo one > $W/all/x/1/temp/log.do_a; echo two > $W/vm/x/1/temp/log.do_a]]></action></buildstage>
		<disk id="d" stage="base"><partition name="root" fs="ext4" size="fit+8M" path="/"/></disk>
	</redo>`
}

const secret = "only the host has this"

// TestResults builds, exports and serves as the account that runs the test.
func TestResults(t *testing.T) {
	w := newWorld(t)
	hostOnly := w.file(t, "host-only", secret)
	w.file(t, "a.xml", yoctoStage(t, hostOnly))
	w.build(t, "a.xml", "-B", "yocto")
	w.build(t, "a.xml", "-B", "disk", "-o", "d.raw.zst", "-o", "d.vmdk")
	out := filepath.Join(w.work, "out")
	r := w.ok(t, program(t), "results", "yocto", "--to", out, "--logs", "--packages")
	for _, want := range []string{"absolute.iso: it is a link to a file that the stage does not have", "dots.iso: it is a link", "proc.iso: it is", "loop1.iso: its symbolic links form a loop", "host.ipk: it is a link"} {
		if !strings.Contains(r.stderr, want) {
			t.Errorf("nothing is said about %q:\n%s", want, r.stderr)
		}
	}
	var names []string
	err := filepath.WalkDir(out, func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		names = append(names, strings.TrimPrefix(p, out+"/"))
		st, err := d.Info()
		if err != nil {
			return err
		}
		if sys := st.Sys().(*syscall.Stat_t); st.Mode() != 0o644 || sys.Uid != uint32(os.Getuid()) || strings.HasSuffix(p, "sdimg") && (st.Size() != 300<<20 || sys.Blocks*512 > 1<<20) {
			t.Errorf("%s: mode %v, owner %d, %d bytes in %d blocks", p, st.Mode(), sys.Uid, st.Size(), sys.Blocks)
		}
		if data, err := os.ReadFile(p); err != nil || st.Size() < 1<<20 && bytes.Contains(data, []byte(secret)) {
			t.Errorf("%s has what only the host has (%v)", p, err)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"SHA256SUMS", "cooker-logs.tar.gz", "core-image.ova", "core-image.sunxi-sdimg", "logs/050-yocto.log", "logs/base.log", "logs/build.json", "own.iso",
		"package-logs.tar.gz", "packages/Packages", "packages/all/x_1_all.ipk", "zImage",
	}
	if diff := cmp.Diff(names, want); diff != "" {
		t.Errorf("files (-got +want):\n%s", diff)
	}
	w.work = out
	w.ok(t, tool(t, "sha256sum"), "--strict", "-c", "SHA256SUMS")
	w.work = filepath.Dir(out)

	t.Run("serve", func(t *testing.T) { w.served(t, out) })
	t.Run("disk", func(t *testing.T) { w.servedDisk(t) })
}

func fetch(t *testing.T, url string, header ...string) (int, []byte) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, data
}

// served compares what the server sends with what results has written.
func (w *world) served(t *testing.T, out string) {
	url, stop := w.serve(t, "yocto")
	defer stop()
	for _, name := range []string{"core-image.ova", "core-image.sunxi-sdimg", "zImage", "own.iso", "packages/all/x_1_all.ipk", "logs/base.log"} {
		want, err := os.ReadFile(filepath.Join(out, name))
		if err != nil {
			t.Fatal(err)
		}
		if status, got := fetch(t, url+"/"+name); status != 200 || !bytes.Equal(got, want) {
			t.Errorf("%s: status %d, %d bytes, want %d", name, status, len(got), len(want))
		}
	}
	status, page := fetch(t, url+"/")
	for _, want := range []string{"050-yocto", "core-image.ova", "packages.tar", "absolute.iso", "cooker-logs.tar.gz"} {
		if status != 200 || !bytes.Contains(page, []byte(want)) {
			t.Errorf("the page (status %d) lacks %s", status, want)
		}
	}
	for _, path := range []string{"/absolute.iso", "/dots.iso", "/proc.iso", "/root.iso/etc/hostname", "/packages/all/host.ipk", "/pipe.ova", "/etc/hostname", "/REDO/build/tmp/deploy/images/vm/zImage"} {
		if status, got := fetch(t, url+path); status != 404 {
			t.Errorf("%s: status %d %.80q", path, status, got)
		}
	}
	_, tarred := fetch(t, url+"/packages.tar")
	var names []string
	for tr := tar.NewReader(bytes.NewReader(tarred)); ; {
		h, err := tr.Next()
		if err != nil {
			break
		}
		names = append(names, h.Name)
	}
	if diff := cmp.Diff(names, []string{"packages/Packages", "packages/all/x_1_all.ipk"}); diff != "" {
		t.Errorf("packages.tar (-got +want):\n%s", diff)
	}
	w.resumed(t, url, out)
	// A name that leads here must not make a browser read it, and only
	// loopback has it.
	if status, _ := fetch(t, strings.Replace(url, "127.0.0.1", "localhost", 1)+"/build.json"); status != 200 {
		t.Errorf("by the name localhost: status %d", status)
	}
	if status, got := fetch(t, url+"/zImage", "Range", "bytes=2-4"); status != 206 || string(got) != "iva" {
		t.Errorf("range: status %d %q", status, got)
	}
	_, port, err := net.SplitHostPort(strings.TrimPrefix(url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	if c, err := net.DialTimeout("tcp", net.JoinHostPort("127.0.0.2", port), 2*time.Second); err == nil {
		c.Close()
		t.Error("another address than 127.0.0.1 is listened at")
	}
}

// resumed downloads the second half of a file with curl, and checks all with
// the digests of the server.
func (w *world) resumed(t *testing.T, url, out string) {
	dir := t.TempDir()
	whole, err := os.ReadFile(filepath.Join(out, "core-image.ova"))
	if err != nil {
		t.Fatal(err)
	}
	half := filepath.Join(dir, "core-image.ova")
	if err := os.WriteFile(half, whole[:len(whole)/2], 0o600); err != nil {
		t.Fatal(err)
	}
	curl := tool(t, "curl")
	w.ok(t, curl, "-sS", "--fail", "-C", "-", "-o", half, url+"/core-image.ova")
	for _, name := range []string{"SHA256SUMS", "core-image.sunxi-sdimg", "zImage", "own.iso"} {
		w.ok(t, curl, "-sS", "--fail", "-o", filepath.Join(dir, name), url+"/"+name)
	}
	was := w.work
	w.work = dir
	defer func() { w.work = was }()
	w.ok(t, tool(t, "sha256sum"), "--strict", "-c", "SHA256SUMS")
}

// servedDisk downloads disks, and changes one.
func (w *world) servedDisk(t *testing.T) {
	r, err := history.ReadReport(filepath.Join(w.dir, "home/.local/state/carosbuild/logs/disk"))
	if err != nil {
		t.Fatal(err)
	}
	if r.Status != history.Done || len(r.Outputs) != 3 || r.Disk != "d" {
		t.Errorf("report: %s, disk %q, outputs %+v", r.Status, r.Disk, r.Outputs)
	}
	url, stop := w.serve(t) // the newest build
	want, err := os.ReadFile(filepath.Join(w.work, "d.vmdk"))
	if err != nil {
		t.Fatal(err)
	}
	if status, got := fetch(t, url+"/disks/d.vmdk"); status != 200 || !bytes.Equal(got, want) {
		t.Errorf("d.vmdk: status %d, %d bytes, want %d", status, len(got), len(want))
	}
	_, sums := fetch(t, url+"/SHA256SUMS")
	if strings.Count(string(sums), "  disks/") != 3 {
		t.Errorf("digests:\n%s", sums)
	}
	w.file(t, "d.vmdk", "another")
	if status, got := fetch(t, url+"/disks/d.vmdk"); status != 410 {
		t.Errorf("a changed disk: status %d, %d bytes", status, len(got))
	}
	if status, page := fetch(t, url+"/builds/yocto/"); status != 200 || !bytes.Contains(page, []byte("carosbuild serve yocto")) {
		t.Errorf("the other build: status %d", status)
	}
	stop()
	if r, err = history.ReadReport(filepath.Join(w.dir, "home/.local/state/carosbuild/logs/disk")); err != nil || len(r.Outputs[0].SHA256) != 64 {
		t.Errorf("the report has not learned the digest: %v", err)
	}
}
