// SPDX-License-Identifier: MPL-2.0

//go:build peers

package integration

import (
	"crypto/sha256"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/carosio/carosbuild/pkg/disk"
	"github.com/carosio/carosbuild/pkg/disk/damage"
	"github.com/carosio/carosbuild/pkg/disk/ext4"
)

// TestPeersE2fsprogs compares the check of ext2, ext3 and ext4 with e2fsck -fn
// on the images of e2fsprogs' tests: each as it is, after e2fsck -fp, and after
// e2fsck -fy once and twice.
func TestPeersE2fsprogs(t *testing.T) {
	dir := peerSources(t, "e2fsprogs")
	images, err := filepath.Glob(filepath.Join(dir, "e2fsprogs/tests/*/image.*z*"))
	if err != nil {
		t.Fatal(err)
	}
	m := newMatrix(t, "e2fsck -fn")
	work := make(chan string)
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			tmp := t.TempDir()
			for path := range work {
				e2fsStates(t, m, path, filepath.Join(tmp, "image"))
			}
		})
	}
	for _, path := range images {
		if strings.HasSuffix(path, ".gz") || strings.HasSuffix(path, ".bz2") && !strings.Contains(path, ".tar.") {
			work <- path
		}
	}
	close(work)
	wg.Wait()
	m.report(t)
}

// e2fsStates takes an image through its states.
func e2fsStates(t *testing.T, m *matrix, image, path string) {
	name := filepath.Base(filepath.Dir(image))
	seen := map[[sha256.Size]byte]bool{}
	look := func(state string) {
		f, err := os.Open(path)
		if err != nil {
			t.Error(err)
			return
		}
		defer f.Close()
		h := sha256.New()
		size, err := io.Copy(h, f)
		if err != nil {
			t.Error(err)
			return
		}
		if sum := [sha256.Size]byte(h.Sum(nil)); !seen[sum] {
			seen[sum] = true
			e2fsState(t, m, name+"/"+state, f, size)
		}
	}
	if !unpackImage(t, image, path) {
		return
	}
	look("given")
	verdictOf(t, "e2fsck", "-fp", path)
	look("preened")
	unpackImage(t, image, path)
	for _, state := range []string{"repaired", "repaired-twice"} {
		verdictOf(t, "e2fsck", "-fy", path)
		look(state)
	}
}

// unpackImage reports whether there is an image.
func unpackImage(t *testing.T, from, to string) bool {
	in, err := os.Open(from)
	if err != nil {
		t.Error(err)
		return false
	}
	defer in.Close()
	r, _, err := disk.Decompress(in)
	if err != nil {
		t.Errorf("%s: %v", from, err)
		return false
	}
	out, err := os.Create(to)
	if err != nil {
		t.Error(err)
		return false
	}
	defer out.Close()
	b, size := make([]byte, 64<<10), int64(0)
	for {
		n, err := io.ReadFull(r, b)
		if size += int64(n); size > maxImage {
			t.Logf("%s: left out, it has more than %d bytes", from, int64(maxImage))
			return false
		}
		if strings.Trim(string(b[:n]), "\x00") != "" { // the rest are holes
			if _, err := out.WriteAt(b[:n], size-int64(n)); err != nil {
				t.Error(err)
				return false
			}
		}
		if err == io.EOF || err == io.ErrUnexpectedEOF {
			break
		}
		if err != nil {
			t.Errorf("%s: %v", from, err)
			return false
		}
	}
	if err := out.Truncate(size); err != nil {
		t.Error(err)
	}
	return size > 0
}

// maxImage leaves out images whose zeros take minutes to unpack.
const maxImage = 1 << 30

// e2fsClean is all that e2fsck says when nothing is wrong.
var e2fsClean = regexp.MustCompile(`^e2fsck [^\n]+\n(Pass [1-5]: [^\n]+\n)+[^\n]*: \d+/\d+ files \([0-9.]+% non-contiguous\), \d+/\d+ blocks\n$`)

// e2fsAdvice is what e2fsck would do for speed, and no fault.
var e2fsAdvice = regexp.MustCompile(`(?m)^Inode \d+ extent tree \(at level \d+\) could be (shorter|narrower)\.  Optimize\? no\n\n`)

func e2fsState(t *testing.T, m *matrix, state string, r *os.File, size int64) {
	out, status := verdictOf(t, "e2fsck", "-fn", r.Name())
	out = e2fsAdvice.ReplaceAllString(out, "")
	peer := damaged
	switch {
	case status == 0 && e2fsClean.MatchString(out):
		peer = sound
	case status >= 8:
		peer = refused
	}
	problems := []damage.Problem{}
	if f, err := ext4.Open(r, size); err != nil {
		problems = append(problems, damage.Of("open", err))
	} else {
		problems = f.Check(t.Context())
	}
	var ours []string
	for _, p := range problems {
		ours = append(ours, p.String())
	}
	detail := out
	if peer == sound {
		detail = strings.Join(ours, "\n")
	}
	m.add(state, peer, string(damage.VerdictOf(problems)), detail)
}
