// SPDX-License-Identifier: MPL-2.0

package disk

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/carosio/carosbuild/pkg/disk/image"
	"github.com/carosio/carosbuild/pkg/disk/pipeline"
)

// TestDevice writes to a file that stands in for a block device: it is full of
// other data and larger than the disk, and the part after the disk is not changed.
func TestDevice(t *testing.T) {
	m := testImage(t)
	rubbish := make([]byte, m.Size()+mib)
	_, _ = rand.NewChaCha8([32]byte{1}).Read(rubbish)
	path := filepath.Join(t.TempDir(), "device")
	if err := os.WriteFile(path, rubbish, 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	w := &writing{m: m, devices: []*os.File{f}}
	err = w.deviceSink(t.Context(), target{path: path, kind: toDevice}, f)
	if err == nil {
		err = pipeline.Run(t.Context(), m, pipeline.Options{}, w.sinks...)
	}
	if err == nil {
		err = w.complete()
	}
	if err = errors.Join(err, w.close()); err != nil {
		t.Fatal(err)
	}
	want := make([]byte, m.Size())
	if _, err := m.ReadAt(want, 0); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(path)
	if err != nil || !bytes.Equal(got, append(want, rubbish[m.Size():]...)) {
		t.Errorf("%d bytes, not what they should be; %v", len(got), err)
	}
}

// TestZeroRange tests both ways.
func TestZeroRange(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	for name, zero := range map[string]func(*os.File, int64, int64) error{
		"range": func(f *os.File, off, n int64) error { return zeroRange(t.Context(), f, off, n) },
		"write": writeZeros,
	} {
		want := bytes.Repeat([]byte{1}, 3<<20)
		if err := os.WriteFile(path, want, 0o600); err != nil {
			t.Fatal(err)
		}
		f, err := os.OpenFile(path, os.O_RDWR, 0)
		if err != nil {
			t.Fatal(err)
		}
		err = zero(f, 1000, 2_500_000)
		clear(want[1000:][:2_500_000])
		if got, rerr := os.ReadFile(path); err != nil || rerr != nil || !bytes.Equal(got, want) {
			t.Errorf("%s: %v, %v", name, err, rerr)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := zeroRange(ctx, f, 0, 1); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// busyDevice is a block device in use that this test can open; nothing is written
// to it.
func busyDevice(t *testing.T) string {
	t.Helper()
	var st unix.Stat_t
	if err := unix.Stat("/", &st); err != nil {
		t.Fatal(err)
	}
	link, err := os.Readlink(fmt.Sprintf("/sys/dev/block/%d:%d", unix.Major(st.Dev), unix.Minor(st.Dev)))
	if err != nil {
		t.Skip("the root is on no block device that can be seen")
	}
	path := "/dev/" + filepath.Base(link)
	f, err := os.Open(path)
	if err != nil {
		t.Skip(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestBusyDevice: the device of the root file system is refused, by the check and
// by the opening.
func TestBusyDevice(t *testing.T) {
	path := busyDevice(t)
	link := filepath.Join(t.TempDir(), "link.raw")
	if err := os.Symlink(path, link); err != nil {
		t.Fatal(err)
	}
	for _, out := range []Output{{path, ""}, {path, Raw}, {link, ""}} {
		if err := CheckOutputs([]Output{out}, WriteOptions{}); !errors.Is(err, unix.EBUSY) || !strings.Contains(err.Error(), "mounted") {
			t.Errorf("%s: got %v", out.Path, err)
		}
	}
	if f, err := openDevice(path, 512); !errors.Is(err, unix.EBUSY) {
		t.Errorf("opened %v, %v", f, err)
	}
	if err := CheckOutputs([]Output{{path, QCOW2}}, WriteOptions{}); err == nil || !strings.Contains(err.Error(), "format raw, not qcow2") {
		t.Errorf("got %v", err)
	}
}

// TestSmallDevice uses what regular files and devices have in common.
func TestSmallDevice(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	if err := os.WriteFile(path, make([]byte, 1000), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := openDevice(path, 1001); err == nil || !strings.Contains(err.Error(), "has 1000 bytes, and the disk needs 1001") {
		t.Errorf("got %v", err)
	}
	if f, err := openDevice(path, 1000); err != nil {
		t.Error(err)
	} else if err := f.Close(); err != nil {
		t.Error(err)
	}
}

// TestPipe writes every format that can be written to a pipe into a FIFO and to
// standard output, with the same bytes as in a file.
func TestPipe(t *testing.T) {
	dir, m := t.TempDir(), smallImage(t)
	for _, name := range []string{"d.raw", "d.raw.gz", "d.raw.zst", "d.raw.xz", "d.vmdk"} {
		path, fifo := filepath.Join(dir, name), filepath.Join(dir, "fifo", name)
		if err := os.MkdirAll(filepath.Dir(fifo), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := unix.Mkfifo(fifo, 0o600); err != nil {
			t.Fatal(err)
		}
		read := make(chan []byte)
		go func() {
			b, _ := os.ReadFile(fifo)
			read <- b
		}()
		var stdout bytes.Buffer
		o := testOptions()
		o.Stdout = &stdout
		format, err := FormatFor("", name)
		if err != nil {
			t.Fatal(err)
		}
		if err := WriteAll(t.Context(), []Output{{path, ""}, {fifo, ""}, {"-", format}}, m, o); err != nil {
			t.Fatal(err)
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if got := <-read; !bytes.Equal(got, want) {
			t.Errorf("%s: the FIFO got %d bytes, the file %d", name, len(got), len(want))
		}
		if format != VMDK && !bytes.Equal(stdout.Bytes(), want) {
			t.Errorf("%s: standard output got %d bytes, the file has %d", name, stdout.Len(), len(want))
		}
		if err := os.WriteFile(path, stdout.Bytes(), 0o600); err != nil { // a VMDK contains the name of its file
			t.Fatal(err)
		}
		sameContent(t, m, path, format)
		if st, err := os.Stat(fifo); err != nil || st.Mode().Type() != fs.ModeNamedPipe {
			t.Errorf("the FIFO is gone: %v", err)
		}
	}
}

// TestPipeErrors: there is no reader, the reader has gone, or it is too slow.
func TestPipeErrors(t *testing.T) {
	m, err := image.New(1<<40, []image.Extent{{Len: 1 << 40, Src: endless{}}})
	if err != nil {
		t.Fatal(err)
	}
	for name, reader := range map[string]func(*os.File) error{
		"nobody": nil,
		"gone":   func(f *os.File) error { _, err := io.CopyN(io.Discard, f, mib); return err },
		"slow":   func(*os.File) error { time.Sleep(time.Second); return nil },
	} {
		fifo := filepath.Join(t.TempDir(), "d.raw")
		if err := unix.Mkfifo(fifo, 0o600); err != nil {
			t.Fatal(err)
		}
		done := make(chan error, 1)
		if reader == nil {
			done <- nil
		} else {
			go func() {
				f, err := os.Open(fifo)
				if err == nil {
					err = errors.Join(reader(f), f.Close())
				}
				done <- err
			}()
		}
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		if name == "gone" {
			ctx, cancel = context.WithCancel(t.Context())
		}
		err := Write(ctx, fifo, "", m, WriteOptions{})
		cancel()
		want := context.DeadlineExceeded
		if name == "gone" {
			want = unix.EPIPE
		}
		if !errors.Is(err, want) && !(name == "slow" && errors.Is(err, os.ErrDeadlineExceeded)) {
			t.Errorf("%s: got %v", name, err)
		}
		if err := <-done; err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestCheckOutputs(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	for _, name := range []string{"real.raw", "x-flat.vmdk"} {
		if err := os.WriteFile(at(name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for from, to := range map[string]string{"link.raw": "real.raw", "dangling.raw": "new.raw", "loop.raw": "loop.raw", "here": "."} {
		if err := os.Symlink(to, at(from)); err != nil {
			t.Fatal(err)
		}
	}
	if err := unix.Mkfifo(at("fifo"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(at("d.raw.gz.bmap"), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		outs []Output
		want string // "" if there is no error
	}{
		{[]Output{{at("a.raw"), ""}, {at("a.vmdk"), ""}, {at("b.vmdk"), VMDKFlat}}, ""},
		{[]Output{{at("link.raw"), ""}}, ""},
		{[]Output{{at("dangling.raw"), ""}, {at("fifo"), Raw}, {"-", VMDK}, {"/dev/null", RawXZ}}, ""},
		{[]Output{{at("a.raw"), ""}, {at("a.raw"), QCOW2}}, "written twice"},
		{[]Output{{at("a.raw"), ""}, {at("here/../here/a.raw"), ""}}, "written twice"},
		{[]Output{{at("link.raw"), ""}, {at("real.raw"), ""}}, "written twice"},
		{[]Output{{at("dangling.raw"), ""}, {at("new.raw"), ""}}, "written twice"},
		{[]Output{{at("x.vmdk"), VMDKFlat}, {at("x-flat.vmdk"), ""}}, "written twice"},
		{[]Output{{at("x.raw.xz"), ""}, {at("x.raw.xz.bmap"), Raw}}, "written twice"},
		{[]Output{{"-", Raw}, {"-", VMDK}}, "written twice"},
		{[]Output{{at("fifo"), Raw}, {at("here/fifo"), Raw}}, "written twice"},
		{[]Output{{at("fifo"), QCOW2}}, "format qcow2 is not: choose one of raw, raw.gz, raw.zst, raw.xz, vmdk, or a file"},
		{[]Output{{"-", VHD}}, "format vhd is not"},
		{[]Output{{"-", ""}}, "standard output has no name"},
		{[]Output{{at("loop.raw"), ""}}, "too many levels"},
		{[]Output{{at("d.raw.gz"), ""}}, "not a regular file"},
		{[]Output{{dir, Raw}}, "is a directory"},
		{[]Output{{at("a.ova"), ""}, {"-", OVA}}, "format ova is not"},
	} {
		err := CheckOutputs(tt.outs, WriteOptions{})
		if err == nil && tt.want != "" || err != nil && (tt.want == "" || !strings.Contains(err.Error(), tt.want)) {
			t.Errorf("%v: got %v, want %q", tt.outs, err, tt.want)
		}
	}
	if err := Write(t.Context(), "-", "raw", smallImage(t), WriteOptions{}); err == nil || !strings.Contains(err.Error(), "no standard output") {
		t.Errorf("got %v", err)
	}
}

// TestDangling writes through a link to a file that does not exist yet.
func TestDangling(t *testing.T) {
	dir := t.TempDir()
	if err := os.Symlink("new.raw", filepath.Join(dir, "link.raw")); err != nil {
		t.Fatal(err)
	}
	if err := Write(t.Context(), filepath.Join(dir, "link.raw"), "", smallImage(t), WriteOptions{}); err != nil {
		t.Fatal(err)
	}
	if st, err := os.Lstat(filepath.Join(dir, "new.raw")); err != nil || !st.Mode().IsRegular() {
		t.Errorf("%v, %v", st, err)
	}
}

// TestReadOnlyDirectory is noticed before anything is done.
func TestReadOnlyDirectory(t *testing.T) {
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o500); err != nil {
		t.Fatal(err)
	}
	if unix.Access(dir, unix.W_OK) == nil {
		t.Skip("this user may write everywhere")
	}
	if err := CheckOutputs([]Output{{filepath.Join(dir, "x.raw"), ""}}, WriteOptions{}); !errors.Is(err, fs.ErrPermission) {
		t.Errorf("got %v", err)
	}
}

// TestSeveralDisksAppearTogether: the second of two disks fails, and the file of
// the first is unchanged.
func TestSeveralDisksAppearTogether(t *testing.T) {
	m := testImage(t)
	dir := t.TempDir()
	first, second := filepath.Join(dir, "a.img"), filepath.Join(dir, "b.img")
	if err := os.WriteFile(first, []byte("old"), 0o600); err != nil {
		t.Fatal(err)
	}
	job := func(path string) Job { return Job{Outputs: []Output{{Path: path}}, Image: m} }
	err := WriteEach(t.Context(), []Job{job(first), {Outputs: []Output{{Path: "/dev/full", Format: Raw}}, Image: m}})
	if err == nil {
		t.Fatal("a full device took a disk")
	}
	if got, _ := os.ReadFile(first); string(got) != "old" {
		t.Errorf("the first disk appeared though the second failed: %d bytes", len(got))
	}
	if err := WriteEach(t.Context(), []Job{job(first), job(first)}); err == nil || !strings.Contains(err.Error(), "written twice") {
		t.Errorf("two disks in one file: %v", err)
	}
	if err := WriteEach(t.Context(), []Job{job(first), job(second)}); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{first, second} {
		if st, err := os.Stat(path); err != nil || st.Size() != m.Size() {
			t.Errorf("%s: %v", path, err)
		}
	}
}
