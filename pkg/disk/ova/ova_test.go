// SPDX-License-Identifier: MPL-2.0

package ova

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/carosio/carosbuild/pkg/disk/image"
	"github.com/carosio/carosbuild/pkg/disk/vmdk"
	"github.com/carosio/carosbuild/pkg/tooltest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// testImage has content at its start, in its middle and at its end.
func testImage(t testing.TB, size int64) *image.Image {
	t.Helper()
	r := rand.New(rand.NewPCG(1, 2))
	text := make([]byte, 200000)
	for i := range text {
		text[i] = "etaoin shrdlu\n"[r.IntN(14)]
	}
	var xs []image.Extent
	for _, off := range []int64{0, size / 2, size - int64(len(text))} {
		xs = append(xs, image.Extent{Off: off, Len: int64(len(text)), Src: image.Bytes(text)})
	}
	m, err := image.New(size, xs)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// full is a machine that uses everything.
func full() VM {
	return VM{
		Name: "CarOS 25", Product: "CarOS <& \"router\">", ProductURL: "https://caros.example/?a=1&b=2", Vendor: "Travelping GmbH",
		VendorURL: "http://www.travelping.com/", Version: "25.11", FullVersion: "25.11-rc1", Cores: 4, Memory: 6 << 30, NICs: 3,
		Networks: []string{"Management & more", "Traffic"}, Controller: PVSCSI, Hardware: "vmx-13", Guest: "debian10_64Guest",
		Firmware: "efi", DataDisks: []int64{16 << 30, 1 << 20}, EULA: "You may.\n\n\tYou may <not>.\n", Annotation: "Überall & immer",
	}
}

func options() Options {
	return Options{Name: "caros", Time: 1700000000, Disk: vmdk.Options{CID: 7, UUID: [16]byte{1, 2, 3}, LongContentID: [16]byte{15: 7}}}
}

func write(t testing.TB, vm VM, o Options) string {
	t.Helper()
	f, err := os.Create(filepath.Join(t.TempDir(), "x.ova"))
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(Write(t.Context(), f, testImage(t, 100<<20), vm, o), f.Close()); err != nil {
		t.Fatal(err)
	}
	return f.Name()
}

func read(t testing.TB, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func problems(t testing.TB, b []byte) []string {
	t.Helper()
	ps, err := Check(t.Context(), bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, p := range ps {
		out = append(out, p.String())
	}
	return out
}

// unpack has GNU tar unpack the archive.
func unpack(t testing.TB, ova string) string {
	t.Helper()
	dir := t.TempDir()
	tooltest.Run(t, "tar", "-xf", ova, "-C", dir)
	return dir
}

func TestWrite(t *testing.T) {
	path := write(t, full(), options())
	want := "-rw-r--r-- 0/0 caros.ovf|-rw-r--r-- 0/0 caros.mf|-rw-r--r-- 0/0 caros-disk1.vmdk|-rw-r--r-- 0/0 caros-disk2.vmdk|-rw-r--r-- 0/0 caros-disk3.vmdk"
	var got []string
	for line := range strings.Lines(tooltest.Run(t, "tar", "--numeric-owner", "--utc", "--full-time", "-tvf", path)) {
		f := strings.Fields(line)
		if f[3] != "2023-11-14" || f[4] != "22:13:20" {
			t.Errorf("time %s %s", f[3], f[4])
		}
		got = append(got, f[0]+" "+f[1]+" "+f[5])
	}
	if diff := cmp.Diff(want, strings.Join(got, "|")); diff != "" {
		t.Errorf("members (-want +got):\n%s", diff)
	}
	if ps := problems(t, read(t, path)); ps != nil {
		t.Errorf("problems: %s", strings.Join(ps, "\n"))
	}
	dir := unpack(t, path)
	manifest := string(read(t, filepath.Join(dir, "caros.mf")))
	for line := range strings.Lines(manifest) {
		name, _, _ := strings.Cut(strings.TrimPrefix(line, "SHA256("), ")")
		if want := fmt.Sprintf("SHA256(%s)= %x\n", name, sha256.Sum256(read(t, filepath.Join(dir, name)))); line != want {
			t.Errorf("manifest has %q, want %q", line, want)
		}
	}
	if n := strings.Count(manifest, "\n"); n != 4 {
		t.Errorf("manifest of %d lines:\n%s", n, manifest)
	}
}

// TestDisks has QEMU read the disks that were extracted from the archive.
func TestDisks(t *testing.T) {
	dir := unpack(t, write(t, full(), options()))
	raw := filepath.Join(dir, "raw")
	f, err := os.Create(raw)
	if err != nil {
		t.Fatal(err)
	}
	m := testImage(t, 100<<20)
	_, err = io.Copy(f, io.NewSectionReader(m, 0, m.Size()))
	if err := errors.Join(err, f.Close()); err != nil {
		t.Fatal(err)
	}
	for i := 1; i <= 3; i++ {
		d := filepath.Join(dir, fmt.Sprintf("caros-disk%d.vmdk", i))
		tooltest.Run(t, "qemu-img", "check", "-f", "vmdk", d)
		if i == 1 {
			tooltest.Run(t, "qemu-img", "compare", "-f", "raw", "-F", "vmdk", raw, d)
		} else if info := tooltest.Run(t, "qemu-img", "map", "--output=json", "-f", "vmdk", d); strings.Contains(info, `"data": true`) {
			t.Errorf("disk %d is not empty: %s", i, info)
		}
	}
}

// TestReproducible writes twice, once with the delays of a slow disk.
func TestReproducible(t *testing.T) {
	want := read(t, write(t, full(), options()))
	o := options()
	o.Disk.Workers = 1
	if got := read(t, write(t, full(), o)); !bytes.Equal(got, want) {
		t.Error("another number of workers gives other bytes")
	}
	if len(want)%block != 0 {
		t.Errorf("%d bytes", len(want))
	}
	o.Time++
	if got := read(t, write(t, full(), o)); bytes.Equal(got, want) {
		t.Error("another time gives the same bytes")
	}
}

func TestAlignment(t *testing.T) {
	for i := range 12 {
		vm := VM{Annotation: strings.Repeat("note ", 100*i)}
		if at := bytes.Index(read(t, write(t, vm, options())), []byte("KDMV")); at%alignment != 0 {
			t.Errorf("note of %d bytes: the disk is at %d", len(vm.Annotation), at)
		}
	}
}

func TestIdentifiers(t *testing.T) {
	seen := map[string]string{}
	dir := unpack(t, write(t, full(), options()))
	for i := 1; i <= 3; i++ {
		name := fmt.Sprintf("caros-disk%d.vmdk", i)
		text, _, _ := strings.Cut(string(read(t, filepath.Join(dir, name))[512:]), "\x00")
		for line := range strings.Lines(text) {
			if !strings.HasPrefix(line, "CID=") && !strings.HasPrefix(line, "ddb.uuid") && !strings.HasPrefix(line, "ddb.longContentID") {
				continue
			}
			if other := seen[line]; other != "" {
				t.Errorf("%s and %s both have %q", other, name, line)
			}
			seen[line] = name
		}
	}
}

func TestNames(t *testing.T) {
	for in, want := range map[string]string{
		"": "vm", "caros": "caros", "my vm": "my_vm", "a/../b": "a_.._b", "ü": "_", strings.Repeat("x", 200): strings.Repeat("x", 80), "a%20b": "a_20b",
	} {
		if got := memberName(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

// nothing accepts all data and discards it.
type nothing struct{}

func (nothing) WriteAt(b []byte, _ int64) (int, error) { return len(b), nil }

type broken struct{}

var errBroken = errors.New("on fire")

func (broken) WriteAt([]byte, int64) (int, error) { return 0, errBroken }

func TestWriteErrors(t *testing.T) {
	m := testImage(t, 100<<20)
	if err := Write(t.Context(), broken{}, m, full(), options()); !errors.Is(err, errBroken) {
		t.Errorf("write error: got %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := Write(ctx, nothing{}, m, full(), options()); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: got %v", err)
	}
	odd, err := image.New(100<<20+512, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := Write(t.Context(), nothing{}, odd, VM{}, options()); err == nil || !strings.Contains(err.Error(), "multiples of 1 MiB") {
		t.Errorf("odd size: got %v", err)
	}
	if err := Write(t.Context(), nothing{}, m, VM{Firmware: "openfirmware"}, options()); err == nil {
		t.Error("a bad machine was taken")
	}
}

// TestLargeMember tests the one field of tar into which 8 GiB do not fit.
func TestLargeMember(t *testing.T) {
	for _, c := range []struct {
		size   int64
		format tar.Format
	}{{maxUstar, tar.FormatUSTAR}, {maxUstar + 1, tar.FormatGNU}, {1 << 40, tar.FormatGNU}} {
		b, err := tarHeader("a-disk1.vmdk", c.size, 1, 0)
		if err != nil || len(b) != block {
			t.Fatalf("%d bytes: header of %d, %v", c.size, len(b), err)
		}
		h, err := tar.NewReader(bytes.NewReader(b)).Next()
		if err != nil || h.Size != c.size || h.Format != c.format {
			t.Errorf("%d bytes: got %+v, %v", c.size, h, err)
		}
		name := filepath.Join(t.TempDir(), "x.tar")
		if err := os.WriteFile(name, append(b, make([]byte, 1024)...), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Truncate(name, block+roundUp(c.size, block)+endBlocks); err != nil {
			t.Fatal(err)
		}
		if got := tooltest.Run(t, "tar", "-tvf", name); !strings.Contains(got, fmt.Sprint(" ", c.size, " ")) {
			t.Errorf("%d bytes: tar says %s", c.size, got)
		}
	}
}
