// SPDX-License-Identifier: MPL-2.0

package squashfs

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/carosio/carosbuild/pkg/disk/damage"
	"github.com/carosio/carosbuild/pkg/disk/disktest"
)

// TestReadCompressions reads the output of mksquashfs with compressions that we do
// not write: text, random bytes, long runs, and many names.
func TestReadCompressions(t *testing.T) {
	src := t.TempDir()
	rnd := rand.New(rand.NewPCG(1, 2))
	random, words := make([]byte, 300<<10), []byte{}
	for i := range random {
		random[i] = byte(rnd.Uint32())
	}
	for len(words) < 700<<10 {
		words = append(words, []string{"the ", "quick ", "brown ", "fox ", "jumps\n", strings.Repeat("over ", rnd.IntN(300))}[rnd.IntN(6)]...)
		words = append(words, random[rnd.IntN(1000):][:rnd.IntN(40)]...)
	}
	want := map[string][]byte{
		"text": words, "random": random, "runs": bytes.Repeat([]byte("x"), 1<<20), "empty": nil, "short": []byte("short"),
		"far": append(append(bytes.Clone(random[:60000]), words[:20000]...), random[:60000]...),
	}
	for name, b := range want {
		if err := os.WriteFile(filepath.Join(src, name), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, args := range [][]string{{"lz4"}, {"lz4", "-Xhc"}, {"lzo"}, {"lzo", "-Xalgorithm", "lzo1x_1"}, {"lzo", "-b", "1M"}} {
		path := filepath.Join(t.TempDir(), "fs")
		tool(t, "mksquashfs", append([]string{src, path, "-quiet", "-no-progress", "-noappend", "-comp"}, args...)...)
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if p := problems(t, b); len(p) > 0 {
			t.Errorf("%v: %v", args, p)
		}
		f, err := Open(bytes.NewReader(b), int64(len(b)))
		if err != nil {
			t.Fatal(err)
		}
		tr, err := f.Tree()
		if err != nil {
			t.Fatal(err)
		}
		for name, b := range want {
			e, err := tr.Lookup(name)
			if err != nil {
				t.Fatal(err)
			}
			got := make([]byte, e.Size)
			if e.Size > 0 {
				if _, err := e.Content.ReadAt(got, 0); err != nil {
					t.Errorf("%v: %s: %v", args, name, err)
				}
			}
			if !bytes.Equal(got, b) {
				t.Errorf("%v: %s differs", args, name)
			}
		}
	}
}

// TestUnreadCompression distinguishes an unsupported compression from damage.
func TestUnreadCompression(t *testing.T) {
	b, err := os.ReadFile(build(t, disktest.Sorted(disktest.Regular("a", "b")), Options{}))
	if err != nil {
		t.Fatal(err)
	}
	b[20] = 2
	if _, err := Open(bytes.NewReader(b), int64(len(b))); !errors.Is(err, damage.ErrUnread) || !errors.Is(err, ErrFormat) {
		t.Errorf("lzma: %v", err)
	}
	b[20] = 9
	if _, err := Open(bytes.NewReader(b), int64(len(b))); err == nil || errors.Is(err, damage.ErrUnread) {
		t.Errorf("none that there is: %v", err)
	}
}

// FuzzExpand decompresses arbitrary bytes as LZ4 and as LZO, within bounds.
func FuzzExpand(f *testing.F) {
	f.Add([]byte("\x1fx\x01\x00\xff\xff\x00\x00"))
	f.Add([]byte("\x12x\x20\x00\x01\x00\x00\x11\x00\x00"))
	f.Fuzz(func(t *testing.T, p []byte) {
		const most = 1 << 16
		for _, expand := range []expander{expandLZ4, expandLZO} {
			if b, err := expand(p, most); err == nil && len(b) > most {
				t.Errorf("%d bytes", len(b))
			}
		}
	})
}
