// SPDX-License-Identifier: MPL-2.0

package oci

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/klauspost/compress/zstd"
)

func TestBlobCache(t *testing.T) {
	content := bytes.Repeat([]byte("some layer "), 300<<10)
	diffID, _, err := v1.SHA256(bytes.NewReader(content))
	if err != nil {
		t.Fatal(err)
	}
	write := func(w io.Writer) error { _, err := w.Write(content); return err }
	for _, c := range []Compression{Gzip, Zstd} {
		b := BlobCache{t.TempDir()}
		if _, ok := b.find(diffID, packing{Compression: c}); ok {
			t.Error("an empty cache has something")
		}
		d, err := b.put(t.Context(), diffID, packing{Compression: c}, 2, write)
		if err != nil {
			t.Fatal(err)
		}
		again, err := BlobCache{t.TempDir()}.put(t.Context(), diffID, packing{Compression: c}, 1, write)
		if err != nil || again.Digest != d.Digest {
			t.Errorf("%s: other bytes with one processor: %s, %s", c, again.Digest, d.Digest)
		}
		if got, ok := b.find(diffID, packing{Compression: c}); !ok || got.Digest != d.Digest {
			t.Error("not found:", got, ok)
		}
		if err := b.check(d); err != nil {
			t.Error(err)
		}
		f, err := os.Open(b.blobFile(d.Digest))
		if err != nil {
			t.Fatal(err)
		}
		z, err := Inflate(f, Limits{}.WithDefaults())
		if err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(z); err != nil || !bytes.Equal(got, content) {
			t.Errorf("%s: %d bytes, %v", c, len(got), err)
		}
		f.Close()
		for name, spoil := range map[string]func([]byte) []byte{
			"flipped bit": func(b []byte) []byte { b[len(b)/3] ^= 4; return b },
			"truncated":   func(b []byte) []byte { return b[:len(b)/2] },
			"empty":       func([]byte) []byte { return nil },
			"longer":      func(b []byte) []byte { return append(b, 0) },
		} {
			raw, err := os.ReadFile(b.blobFile(d.Digest))
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(b.blobFile(d.Digest), spoil(bytes.Clone(raw)), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := b.check(d); err == nil {
				t.Errorf("%s: not noticed", name)
			}
			if _, ok := b.find(diffID, packing{Compression: c}); ok {
				t.Errorf("%s: still found", name)
			}
			if _, err := b.put(t.Context(), diffID, packing{Compression: c}, 2, write); err != nil {
				t.Fatal(err)
			}
			if err := b.check(d); err != nil {
				t.Errorf("%s: made again: %v", name, err)
			}
		}
	}
}

// A writer that fails leaves no blob.
func TestBlobCacheFailure(t *testing.T) {
	b := BlobCache{t.TempDir()}
	fail := errors.New("no more")
	_, err := b.put(t.Context(), v1.Hash{Algorithm: "sha256", Hex: strings.Repeat("0", 64)}, packing{Compression: Gzip}, 1, func(w io.Writer) error {
		_, _ = w.Write([]byte("half"))
		return fail
	})
	if !errors.Is(err, fail) {
		t.Errorf("got %v", err)
	}
	names, err := os.ReadDir(filepath.Join(b.Dir, "blobs", "sha256"))
	if err != nil || len(names) != 0 {
		t.Errorf("left: %v %v", names, err)
	}
}

func TestInflate(t *testing.T) {
	pack := func(c Compression, n int) []byte {
		var buf bytes.Buffer
		if err := compress(&buf, packing{Compression: c}, 1, func(w io.Writer) error {
			_, err := io.CopyN(w, zeros{}, int64(n))
			return err
		}); err != nil {
			t.Fatal(err)
		}
		return buf.Bytes()
	}
	two := append(pack(Gzip, 100), pack(Gzip, 23)...)
	var z bytes.Buffer
	zw, _ := zstd.NewWriter(&z, zstd.WithWindowSize(8<<20))
	_, _ = zw.Write([]byte("x"))
	zw.Close()
	tests := []struct {
		name   string
		in     []byte
		limits Limits
		want   int64
		err    string
	}{
		{"9b several members", two, Limits{}, 123, ""},
		{"plain", []byte("plain"), Limits{}, 5, ""},
		{"empty", nil, Limits{}, 0, ""},
		{"9c trailing garbage", append(pack(Gzip, 100), "garbage after the end"...), Limits{}, 0, "gzip"},
		{"9d truncated", two[:len(two)-3], Limits{}, 0, "EOF"},
		{"9a too large", pack(Gzip, 5<<20), Limits{LayerBytes: 4 << 20}, 0, "more than"},
		{"9a zstd bomb", pack(Zstd, 1<<30+64<<20), Limits{}, 0, "times its size"},
		{"zstd", z.Bytes(), Limits{}, 1, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r, err := Inflate(bytes.NewReader(tt.in), tt.limits.WithDefaults())
			var n int64
			if err == nil {
				n, err = io.Copy(io.Discard, r)
			}
			if tt.err == "" && (err != nil || n != tt.want) || tt.err != "" && (err == nil || !strings.Contains(err.Error(), tt.err)) {
				t.Errorf("%d bytes, %v; want %d, %q", n, err, tt.want, tt.err)
			}
		})
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

func TestVerifier(t *testing.T) {
	h, n, err := v1.SHA256(strings.NewReader("content"))
	if err != nil {
		t.Fatal(err)
	}
	for in, want := range map[string]string{"content": "", "c0ntent": "not what its digest says", "conten": "ends after", "contents": "more than"} {
		_, err := io.ReadAll(newVerifier(io.NopCloser(strings.NewReader(in)), h, n))
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%q: %v, want %q", in, err, want)
		}
	}
}
