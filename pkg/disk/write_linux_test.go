// SPDX-License-Identifier: MPL-2.0

package disk

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/carosio/carosbuild/pkg/disk/image"
	"github.com/carosio/carosbuild/pkg/tooltest"
)

func TestWriteFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "out.img")
	put := func(s string) error {
		return writeFile(path, func(f *os.File) error {
			_, err := f.WriteString(s)
			return err
		})
	}
	for _, s := range []string{"first", "second"} {
		if err := put(s); err != nil {
			t.Fatal(err)
		}
		if b, err := os.ReadFile(path); err != nil || string(b) != s {
			t.Errorf("got %q, %v, want %q", b, err, s)
		}
	}
	errNo := errors.New("no")
	err := writeFile(path, func(f *os.File) error {
		_, _ = f.WriteString("half")
		return errNo
	})
	if b, _ := os.ReadFile(path); !errors.Is(err, errNo) || string(b) != "second" {
		t.Errorf("after an error: %q, %v", b, err)
	}
	if got := names(t, dir); len(got) != 1 {
		t.Errorf("left behind: %q", got)
	}
	st, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	mask := unix.Umask(0)
	unix.Umask(mask)
	if want := fs.FileMode(0o666 &^ mask); st.Mode() != want {
		t.Errorf("mode %v, want %v", st.Mode(), want)
	}
}

func TestWriteThroughLink(t *testing.T) {
	dir := t.TempDir()
	real, link := filepath.Join(dir, "real.img"), filepath.Join(dir, "link.img")
	if err := os.WriteFile(real, []byte("old"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("real.img", link); err != nil {
		t.Fatal(err)
	}
	if err := writeFile(link, func(f *os.File) error { _, err := f.WriteString("new"); return err }); err != nil {
		t.Fatal(err)
	}
	if b, _ := os.ReadFile(real); string(b) != "new" {
		t.Errorf("link's target has %q", b)
	}
	if st, err := os.Lstat(link); err != nil || st.Mode().Type() != fs.ModeSymlink {
		t.Errorf("the link is gone: %v, %v", st, err)
	}
}

// TestSweep removes the files of a killed run, and none that are in use or belong
// to another user.
func TestSweep(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a[b]*")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, n := range []string{".carosbuild-out.img-4000000", ".carosbuild-used.img-4000001", ".carosbuild-notes", "other-4000000"} {
		if err := os.WriteFile(filepath.Join(dir, n), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	used, err := os.Open(filepath.Join(dir, ".carosbuild-used.img-4000001"))
	if err != nil {
		t.Fatal(err)
	}
	defer used.Close()
	if err := unix.Flock(int(used.Fd()), unix.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	if err := writeFile(filepath.Join(dir, "out.img"), func(*os.File) error { return nil }); err != nil {
		t.Fatal(err)
	}
	if got, want := strings.Join(names(t, dir), " "), ".carosbuild-notes .carosbuild-used.img-4000001 other-4000000 out.img"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// TestNamed uses the way for file systems without O_TMPFILE.
func TestNamed(t *testing.T) {
	dir := t.TempDir()
	temp := filepath.Join(dir, tempPrefix+"x-1")
	f, named, err := create(filepath.Join(dir, "missing"), temp) // O_TMPFILE fails here, the name does not
	if err != nil || !named {
		t.Fatalf("named %v, %v", named, err)
	}
	defer f.Close()
	sweep(dir)
	if _, err := os.Stat(temp); err != nil {
		t.Errorf("swept while in use: %v", err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	sweep(dir)
	if _, err := os.Stat(temp); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("not swept: %v", err)
	}
}

func TestWriteErrors(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	m, err := image.New(mib, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ path, format, want string }{
		{dir, "raw", "is a directory"},
		{dir + "/no/x.img", "", "there is no directory"},
		{file + "/x.img", "", "is not a directory"},
		{"/dev/full", "raw", "no space left"},
		{dir + "/x.qcow", "", "the ending names no disk format (did you mean .qcow2?)"},
		{dir + "/x.img", "qcow3", `"qcow3" is not known (did you mean "qcow2"?)`},
		{dir + "/sub/", "raw", ""},
	} {
		if err := Write(t.Context(), tt.path, tt.format, m, WriteOptions{}); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got %v, want %q", tt.path, err, tt.want)
		}
	}
	if err := explain("/tmp/x", unix.ENOSPC); !errors.Is(err, unix.ENOSPC) || !strings.Contains(err.Error(), "is full") {
		t.Errorf("got %v", err)
	}
	if got := names(t, dir); len(got) != 1 {
		t.Errorf("left behind: %q", got)
	}
}

func TestFormatFor(t *testing.T) {
	for _, tt := range []struct {
		name, path string
		want       Format
	}{
		{"", "a.raw", Raw},
		{"", "a.IMG", Raw},
		{"", "a.vmdk", VMDK},
		{"vmdk-sparse", "a.vmdk", VMDKSparse},
		{"vmdk-stream", "a", VMDK},
		{"", "dir.raw/b.Img.xz", RawXZ},
		{"", "a.raw.gz", RawGzip},
		{"", "a.img.zst", RawZstd},
		{"", "a.qcow2", QCOW2},
		{"", "a.vhd", VHD},
		{"", "a.ova", OVA},
		{"img", "-", Raw},
		{"raw", "a.vmdk", Raw},
	} {
		if got, err := FormatFor(tt.name, tt.path); err != nil || got != tt.want {
			t.Errorf("FormatFor(%q, %q) = %q, %v, want %q", tt.name, tt.path, got, err, tt.want)
		}
	}
}

func TestFormatForErrors(t *testing.T) {
	for _, tt := range []struct{ name, path, want string }{
		{"", "a", "known are .raw, .img,"},
		{"", "a.gz", ".raw.gz"},
		{"", "a.vdmk", "did you mean .vmdk?"},
		{"", "a.vmdk.xz", "known are"},
		{"", "-", "standard output has no name"},
		{"gcow2", "a", `did you mean "qcow2"?`},
		{"raw.zstd", "a", `did you mean "raw.zst"?`},
		{"iso9660", "a.raw", `"iso9660" is not known; known are raw`},
	} {
		if got, err := FormatFor(tt.name, tt.path); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("FormatFor(%q, %q) = %q, %v, want %q", tt.name, tt.path, got, err, tt.want)
		}
	}
	for _, name := range Formats() {
		if f, err := FormatFor(name, ""); err != nil || string(f) != name {
			t.Errorf("%s: got %s, %v", name, f, err)
		}
	}
}

func TestFormats(t *testing.T) {
	data := make([]byte, 5*mib+77)
	r := rand.New(rand.NewPCG(1, 1))
	for i := range data {
		data[i] = byte(r.Uint32() >> 5 & 0x3F)
	}
	clear(data[mib : 3*mib])
	m, err := image.New(20*mib, []image.Extent{{Off: 3*mib - 100, Len: int64(len(data)), Src: image.Bytes(data)}})
	if err != nil {
		t.Fatal(err)
	}
	raw := writeAs(t, m, "d.img")
	got, err := os.ReadFile(raw)
	if err != nil {
		t.Fatal(err)
	}
	want := make([]byte, 20*mib)
	copy(want[3*mib-100:], data)
	if !bytes.Equal(got, want) {
		t.Error("raw differs")
	}
	var st unix.Stat_t
	if err := unix.Stat(raw, &st); err != nil || st.Blocks*512 > 4*mib {
		t.Errorf("raw occupies %d bytes, %v", st.Blocks*512, err)
	}
	for _, format := range []string{"vmdk", "vmdk-sparse"} {
		path := filepath.Join(t.TempDir(), "d.vmdk")
		if err := Write(t.Context(), path, format, m, WriteOptions{}); err != nil {
			t.Fatal(err)
		}
		tooltest.Run(t, "qemu-img", "check", path)
		tooltest.Run(t, "qemu-img", "compare", "-f", "raw", "-F", "vmdk", raw, path)
	}
}

func TestCancel(t *testing.T) {
	m, err := image.New(1<<30, []image.Extent{{Len: 1 << 30, Src: endless{}}})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"x.img", "x.vmdk"} {
		dir := t.TempDir()
		ctx, cancel := context.WithCancel(t.Context())
		last := int64(0)
		err := Write(ctx, filepath.Join(dir, name), "", m, WriteOptions{Progress: func(done, total int64) {
			if done < last || total != 1<<30 {
				t.Errorf("progress %d after %d of %d", done, last, total)
			}
			if last = done; done > 10*mib {
				cancel()
			}
		}})
		if !errors.Is(err, context.Canceled) || len(names(t, dir)) != 0 {
			t.Errorf("%s: got %v, left %q", name, err, names(t, dir))
		}
	}
}

// TestSumsOfStreams compares the digests that are computed while writing with those
// of the files. Formats that are not written front to back have none, except for
// OVA.
func TestSumsOfStreams(t *testing.T) {
	dir := t.TempDir()
	var outs []Output
	for _, name := range []string{"a.vmdk", "a.img.gz", "a.img.zst", "a.raw", "a.qcow2", "a.vhd", "a.ova"} {
		outs = append(outs, Output{Path: filepath.Join(dir, name)})
	}
	got := map[string]string{}
	o := testOptions()
	o.Sum = func(path, sum string) { got[filepath.Base(path)] = sum }
	m, err := image.New(20*mib, []image.Extent{{Len: 9 * mib, Src: endless{}}})
	if err != nil {
		t.Fatal(err)
	}
	if err := WriteAll(t.Context(), outs, m, o); err != nil {
		t.Fatal(err)
	}
	want := map[string]string{}
	for _, name := range []string{"a.vmdk", "a.img.gz", "a.img.zst", "a.ova"} {
		data, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		sum := sha256.Sum256(data)
		want[name] = hex.EncodeToString(sum[:])
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("digests (-want +got):\n%s", d)
	}
}

// writeFile makes the file path, or replaces it, with what write puts into a new
// file beside it. Data and name are on disk when it returns; after an error or a
// kill, path is unchanged. If the file system can, the new file has no name until
// it is complete; leftovers of killed runs on others are removed by the next one. A
// symbolic link at path is followed.
func writeFile(path string, write func(*os.File) error) error {
	path, err := regular(path)
	if err != nil {
		return err
	}
	f, err := newFile(path)
	if err != nil {
		return explain(path, err)
	}
	err = write(f.File)
	if err == nil {
		err = f.finish()
	}
	if err == nil {
		err = f.commit()
	}
	return explain(path, errors.Join(err, f.close()))
}

// regular is the resolved path of a file that writeFile can write.
func regular(path string) (string, error) {
	real, kind, err := locate(path)
	if err == nil && kind != toFile {
		err = fmt.Errorf("write %s: it is not a regular file", path)
	}
	if err == nil {
		err = checkFiles([]string{real})
	}
	return real, err
}
