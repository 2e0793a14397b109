// SPDX-License-Identifier: MPL-2.0

package fat

import (
	"flag"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/carosio/carosbuild/pkg/disk/disktest"
	"github.com/carosio/carosbuild/pkg/disk/image"
	"github.com/carosio/carosbuild/pkg/tooltest"
)

// TestCheckClean finds no problem in the output of the writer and of mkfs.fat.
func TestCheckClean(t *testing.T) {
	for seed := range uint64(4) {
		m, err := Build(mk(randomTree(rand.New(rand.NewPCG(seed, 3)))), Options{Size: 64 << 20, Label: "LABEL", Bits: 16 + 16*int(seed%2)})
		if err != nil {
			t.Fatal(err)
		}
		f, err := Open(m, m.Size())
		if err != nil {
			t.Fatal(err)
		}
		disktest.Clean(t, f)
	}
	for _, kind := range [][2]int{{12, 4}, {16, 32}, {32, 64}} {
		disktest.Clean(t, openFS(t, foreignFS(t, foreignFiles, kind[0], kind[1])))
	}
}

var flips = flag.Int("flips", 60, "bytes that TestCheckFlip changes")

// TestCheckFlip changes one byte of metadata at a time. Either there is a problem,
// or fsck.vfat has nothing to report, either.
func TestCheckFlip(t *testing.T) {
	for _, path := range []string{foreignFS(t, foreignFiles, 12, 4), foreignFS(t, foreignFiles, 16, 16), foreignFS(t, foreignFiles, 32, 36)} {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		var places []int64
		f := openFS(t, path)
		for i, c := range b[:f.dataAt+20*f.cluster] {
			if c != 0 {
				places = append(places, int64(i))
			}
		}
		rnd := rand.New(rand.NewPCG(1, 1))
		silent := 0
		for range *flips {
			at, change := places[rnd.IntN(len(places))], byte(1+rnd.IntN(127)) // it considers other letters in a label damaged
			b[at] ^= change
			if f, err := Open(image.Bytes(b), int64(len(b))); err == nil && len(f.Check(t.Context())) == 0 {
				silent++
				if out := complaint(t, b); out != "" {
					t.Errorf("%s: byte %d (FAT at %d, root at %d, data at %d) changed by %#x: fsck.vfat says\n%s", f.Kind(), at, f.fatAt, f.rootAt, f.dataAt, change, out)
				}
			}
			b[at] ^= change
		}
		t.Logf("%d of %d changes have no consequence", silent, *flips)
	}
}

var fine = regexp.MustCompile("^fsck.fat [^\n]*\n[^\n]*: [0-9]+ files, [0-9]+/[0-9]+ clusters\n$")

// complaint is the output of fsck.vfat about a file system, or "".
func complaint(t testing.TB, b []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "fs")
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), tooltest.Find(t, "fsck.vfat"), "-n", path).CombinedOutput()
	if err == nil && fine.Match(out) {
		return ""
	}
	return string(out)
}
