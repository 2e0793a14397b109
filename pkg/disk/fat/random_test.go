// SPDX-License-Identifier: MPL-2.0

package fat

import (
	"fmt"
	"hash/crc32"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/carosio/carosbuild/pkg/disk/disktest"
)

// randomTree has names and contents that cause collisions and end at the ends of
// clusters.
func randomTree(r *rand.Rand) map[string]string {
	alphabet := []rune("abcABCxyz019 ._-~+ü日€") // no surrogate pairs: mtools cannot show them
	name := func() string {
		n := make([]rune, 1+r.IntN(20))
		for i := range n {
			n[i] = alphabet[r.IntN(len(alphabet))]
		}
		return strings.TrimRight(string(n), " .") + "e"
	}
	dirs, files, seen := []string{""}, map[string]string{}, map[string]bool{}
	for range r.IntN(60) {
		p := dirs[r.IntN(len(dirs))] + name()
		fold := strings.ToUpper(strings.ToLower(p))
		if seen[fold] {
			continue
		}
		seen[fold] = true
		if r.IntN(4) == 0 {
			dirs = append(dirs, p+"/")
			files[p+"/"] = ""
			continue
		}
		sizes := []int{0, 1, 511, 512, 513, 1024, r.IntN(100000)}
		b := make([]byte, sizes[r.IntN(len(sizes))])
		for i := range b {
			b[i] = byte(r.Uint32())
		}
		files[p] = string(b)
	}
	return files
}

// sums replaces contents by their length and checksum.
func sums(files map[string]string) map[string]string {
	out := map[string]string{}
	for p, c := range files {
		out[p] = fmt.Sprintf("%d %08x", len(c), crc32.ChecksumIEEE([]byte(c)))
	}
	return out
}

func checkRandom(t *testing.T, seed uint64, bits int) {
	files := randomTree(rand.New(rand.NewPCG(seed, 1)))
	m, err := Build(mk(files), Options{Size: 36 << 20, Label: "FUZZ", Bits: bits})
	if err != nil {
		t.Fatal(err)
	}
	fs := disktest.Save(t, m, 1)
	fsck(t, fs)
	if diff := cmp.Diff(sums(withDirs(files)), sums(readBack(t, fs))); diff != "" {
		t.Errorf("seed %d (-want +got):\n%s", seed, diff)
	}
}

func TestRandom(t *testing.T) {
	for seed := range uint64(25) {
		checkRandom(t, seed, 16)
		checkRandom(t, seed, 32)
	}
}

func FuzzBuild(f *testing.F) {
	f.Add(uint64(100))
	f.Fuzz(func(t *testing.T, seed uint64) {
		checkRandom(t, seed, 16)
		checkRandom(t, seed, 32)
	})
}
