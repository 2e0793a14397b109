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
	"strings"
	"testing"
)

type testFile struct {
	name string
	data []byte
}

// files splits an archive into its files.
func files(t testing.TB, b []byte) []testFile {
	t.Helper()
	var out []testFile
	r := tar.NewReader(bytes.NewReader(b))
	for {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return out
		}
		if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, testFile{h.Name, data})
	}
}

// pack makes an archive of them again.
func pack(t testing.TB, fs []testFile) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, f := range fs {
		if err := w.WriteHeader(&tar.Header{Name: f.name, Size: int64(len(f.data)), Mode: 0o644, Typeflag: tar.TypeReg, Format: tar.FormatUSTAR}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(f.data); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// sealed has a manifest that matches.
func sealed(t testing.TB, fs []testFile) []byte {
	t.Helper()
	var b bytes.Buffer
	for _, f := range fs {
		if sum := sha256.Sum256(f.data); !strings.HasSuffix(f.name, ".mf") {
			manifestLine(&b, "SHA256", f.name, sum[:])
		}
	}
	fs[1].data = b.Bytes()
	return pack(t, fs)
}

// small is a valid archive of a few KiB.
func small(t testing.TB) []testFile {
	t.Helper()
	vm := full()
	vm.DataDisks = []int64{1 << 20}
	return files(t, read(t, write(t, vm, options())))
}

// TestFlips changes a byte in each part of each member: the digests in the manifest
// reveal it.
func TestFlips(t *testing.T) {
	good := read(t, write(t, full(), options()))
	fs := files(t, good)
	for i, f := range fs {
		for _, at := range []int{0, len(f.data) / 3, len(f.data) - 1} {
			bad := bytes.Clone(f.data)
			bad[at] ^= 0x40
			changed := append([]testFile{}, fs...)
			changed[i].data = bad
			if ps := problems(t, pack(t, changed)); len(ps) == 0 {
				t.Errorf("%s: a changed byte at %d is not noticed", f.name, at)
			}
		}
	}
	for _, at := range []int{0, 124, 150} { // name, size, checksum of the descriptor
		bad := bytes.Clone(good)
		bad[at] ^= 1
		if ps := problems(t, bad); len(ps) == 0 {
			t.Errorf("a changed byte at %d of the archive is not noticed", at)
		}
	}
}

// TestProblems makes mistakes in archives whose manifest matches.
func TestProblems(t *testing.T) {
	fs := small(t)
	replace := func(old, new string) func([]testFile) []testFile {
		return func(fs []testFile) []testFile {
			s := string(fs[0].data)
			if !strings.Contains(s, old) {
				t.Fatalf("the descriptor has no %s", old)
			}
			fs[0].data = []byte(strings.ReplaceAll(s, old, new))
			return fs
		}
	}
	vmdk := func(change func(b []byte) []byte) func([]testFile) []testFile {
		return func(fs []testFile) []testFile {
			old := len(fs[2].data)
			fs[2].data = change(bytes.Clone(fs[2].data))
			s := strings.Replace(string(fs[0].data), fmt.Sprintf(`ovf:size="%d"`, old), fmt.Sprintf(`ovf:size="%d"`, len(fs[2].data)), 1)
			fs[0].data = []byte(s)
			return fs
		}
	}
	for _, tt := range []struct {
		name, want string
		change     func([]testFile) []testFile
	}{
		{"nothing", "", func(fs []testFile) []testFile { return fs }},
		{"order", "not in the order", func(fs []testFile) []testFile { fs[2], fs[3] = fs[3], fs[2]; return fs }},
		{"extra", "readme.txt: the descriptor does not name it", func(fs []testFile) []testFile { return append(fs, testFile{"readme.txt", []byte("hi")}) }},
		{"missing", `file "caros-disk2.vmdk" is not in the archive`, func(fs []testFile) []testFile { return fs[:3] }},
		{"directory", "its name contains a directory", func(fs []testFile) []testFile { fs[3].name = "../x.vmdk"; return fs }},
		{"twice", "it is in the archive twice", func(fs []testFile) []testFile { return append(fs, fs[3]) }},
		{"size", "bytes, and in the archive", replace(`ovf:size="`, `ovf:size="1`)},
		{"capacity", "it holds a disk of 104857600 bytes", replace(`"104857600"`, `"104857601"`)},
		{"no capacity", `disk vmdisk1: capacity "many"`, replace(`"104857600"`, `"many"`)},
		{"units", "capacityAllocationUnits", replace(`capacityAllocationUnits="byte"`, `capacityAllocationUnits="acre"`)},
		{"huge", "disk vmdisk1: capacity", replace(`capacityAllocationUnits="byte"`, `capacityAllocationUnits="byte * 2^60"`)},
		{"MiB", "it holds a disk", replace(`capacityAllocationUnits="byte"`, `capacityAllocationUnits="byte * 2^10"`)},
		{"file", "which is not in the References", replace(`fileRef="file1"`, `fileRef="file9"`)},
		{"disk", "which is not in the descriptor", replace(`ovf:/disk/vmdisk1`, `ovf:/disk/vmdisk9`)},
		{"parent", "has the parent 77", replace(`<rasd:Parent>3<`, `<rasd:Parent>77<`)},
		{"instance", `InstanceID "1"`, replace(`<rasd:InstanceID>2<`, `<rasd:InstanceID>1<`)},
		{"network", "is connected to", replace(`<rasd:Connection>Traffic<`, `<rasd:Connection>Nowhere<`)},
		{"no hardware", "no VirtualHardwareSection", replace(`VirtualHardwareSection>`, `NoHardwareSection>`)},
		{"no system", "0 virtual systems", func(fs []testFile) []testFile {
			return replace("<VirtualSystem ", "<Sys ")(replace("</VirtualSystem>", "</Sys>")(fs))
		}},
		{"no info", "DiskSection without Info", replace(`<Info>Virtual disks</Info>`, ``)},
		{"no type", "without ElementName or ResourceType", replace(`rasd:ResourceType>`, `rasd:ResourceTipe>`)},
		{"namespace", "root element Envelope", replace(nsOVF, "http://schemas.dmtf.org/ovf/envelope/2")},
		{"syntax", "it is not an OVF descriptor", replace(`</Envelope>`, ``)},
		{"two roots", "there is text after the root", replace(`</Envelope>`, `</Envelope><Envelope/>`)},
		{"text after it", "there is text after the root", replace(`</Envelope>`, `</Envelope> x`)},
		{"format", "not a streamOptimized VMDK", replace(`#streamOptimized`, `#sparse`)},
		{"disk header", "no KDMV header", vmdk(func(b []byte) []byte { b[0] = 'X'; return b })},
		{"disk grain", "inflate", vmdk(func(b []byte) []byte { b[128*512+100] ^= 1; return b })},
		{"disk cut", "it ends too early", vmdk(func(b []byte) []byte { return b[:len(b)-512] })},
		{"disk tail", "bytes after the end", vmdk(func(b []byte) []byte { return append(b, make([]byte, 512)...) })},
		{"disk capacity", "an extent of", vmdk(func(b []byte) []byte { b[12] ^= 0x80; return b })},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := strings.Join(problems(t, sealed(t, tt.change(append([]testFile{}, fs...)))), "\n")
			if !strings.Contains(got, tt.want) || tt.want == "" && got != "" {
				t.Errorf("want %q, got:\n%s", tt.want, got)
			}
		})
	}
}

// TestManifests has manifests that other programs write, and bad ones.
func TestManifests(t *testing.T) {
	fs := small(t)
	good := string(fs[1].data)
	for _, tt := range []struct{ name, text, want string }{
		{"line ends", strings.ReplaceAll(good, "\n", "\r\n"), ""},
		{"no blank", strings.ReplaceAll(good, ")= ", ")="), ""},
		{"blank", strings.ReplaceAll(good, "SHA256(", "SHA256 ("), "is not ALGORITHM(FILE)= SUM"},
		{"algorithm", strings.ReplaceAll(good, "SHA256(", "MD5("), "is not ALGORITHM"},
		{"other algorithm", strings.ReplaceAll(good, "SHA256(", "SHA512("), "is not one of SHA512"},
		{"short", good[:strings.LastIndex(strings.TrimSpace(good), "\n")+1], "caros-disk2.vmdk: the manifest has no sum of it"},
		{"double", good + good, "two sums of caros.ovf"},
		{"other", good + strings.ReplaceAll(good, "caros.ovf", "x.ovf"), "x.ovf, which is not in the archive"},
		{"empty", "", "the manifest has no sum"},
	} {
		changed := append([]testFile{}, fs...)
		changed[1].data = []byte(tt.text)
		got := strings.Join(problems(t, pack(t, changed)), "\n")
		if !strings.Contains(got, tt.want) || tt.want == "" && got != "" {
			t.Errorf("%s: want %q, got:\n%s", tt.name, tt.want, got)
		}
	}
	if got := strings.Join(problems(t, pack(t, append(fs[:1:1], fs[2:]...))), "\n"); !strings.Contains(got, "the archive has no manifest caros.mf") {
		t.Errorf("without a manifest: %s", got)
	}
}

// TestArchives has invalid tar archives.
func TestArchives(t *testing.T) {
	good := pack(t, small(t))
	pax := func() []byte {
		var b bytes.Buffer
		w := tar.NewWriter(&b)
		if err := w.WriteHeader(&tar.Header{Name: "a.ovf", Size: 0, Mode: 0o644, PAXRecords: map[string]string{"X.y": "z"}, Format: tar.FormatPAX}); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		return b.Bytes()
	}
	var many []testFile
	for i := range 150 {
		many = append(many, testFile{fmt.Sprint(i), nil})
	}
	for name, tt := range map[string]struct {
		b    []byte
		want string
	}{
		"empty":          {nil, "the archive has no descriptor"},
		"text":           {[]byte("hello"), "it is not a tar archive"},
		"zeros":          {make([]byte, 10240), "the archive has no descriptor"},
		"cut":            {good[:len(good)/2], "the archive ends within it"},
		"cut at the end": {good[:len(good)-1024-512], "caros-disk2.vmdk: the archive ends within it"},
		"no end":         {good[:len(good)-1024], "two blocks of zeros"},
		"pax":            {pax(), "of the form PAX"},
		"no descriptor":  {pack(t, []testFile{{"a.txt", nil}}), "the first member is not the descriptor"},
		"many":           {pack(t, many), "more than 100 members"},
		"large text":     {pack(t, []testFile{{"a.ovf", make([]byte, 2<<20)}}), "it is too large, with 2097152 bytes"},
	} {
		if got := strings.Join(problems(t, tt.b), "\n"); !strings.Contains(got, tt.want) {
			t.Errorf("%s: want %q, got %s", name, tt.want, got)
		}
	}
}

type failing struct{ io.ReaderAt }

func (f failing) ReadAt(p []byte, off int64) (int, error) {
	if off > 10000 {
		return 0, errBroken
	}
	return f.ReaderAt.ReadAt(p, off)
}

func TestCheckErrors(t *testing.T) {
	good := pack(t, small(t))
	if _, err := Check(t.Context(), failing{bytes.NewReader(good)}, int64(len(good))); !errors.Is(err, errBroken) {
		t.Errorf("a broken disk: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Check(ctx, bytes.NewReader(good), int64(len(good))); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

// FuzzCheck has hostile archives. Members are changed and get a matching manifest,
// since otherwise most inputs would fail at the digests; of the disk, what follows
// its descriptor is changed.
func FuzzCheck(f *testing.F) {
	const front = 128 * 512
	fs := small(f)
	empty := fs[3].data
	f.Add(fs[0].data, fs[1].data, empty[front:], []byte("x"), true)
	f.Add(fs[0].data, fs[1].data, []byte{}, pack(f, fs[:2]), false)
	f.Fuzz(func(t *testing.T, ovf, mf, disk, raw []byte, members bool) {
		if members {
			disk = append(bytes.Clone(empty[:front]), disk...)
			raw = sealed(t, []testFile{{"a.ovf", ovf}, {"a.mf", mf}, {"caros-disk1.vmdk", disk}, {"caros-disk2.vmdk", empty}})
		}
		ps, err := Check(t.Context(), bytes.NewReader(raw), int64(len(raw)))
		if err != nil || len(ps) > maxProblems {
			t.Fatal(len(ps), err)
		}
	})
}
