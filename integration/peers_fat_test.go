// SPDX-License-Identifier: MPL-2.0

//go:build peers

package integration

import (
	"bufio"
	"encoding/hex"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/carosio/carosbuild/pkg/disk/damage"
	"github.com/carosio/carosbuild/pkg/disk/fat"
)

// TestPeersDosfstools compares the check of FAT with fsck.fat -n on the images
// of dosfstools' tests, which are hexadecimal dumps: each as it is, and after
// fsck.fat -a.
func TestPeersDosfstools(t *testing.T) {
	dir := peerSources(t, "dosfstools")
	m := newMatrix(t, "fsck.fat -n")
	for _, pattern := range []string{"*.fsck", "*.xxd"} {
		dumps, err := filepath.Glob(filepath.Join(dir, "dosfstools/tests", pattern))
		if err != nil {
			t.Fatal(err)
		}
		for _, dump := range dumps {
			path := filepath.Join(t.TempDir(), "image")
			if undump(t, dump, path) {
				fatState(t, m, filepath.Base(dump)+"/given", path)
				verdictOf(t, "fsck.fat", "-a", path)
				fatState(t, m, filepath.Base(dump)+"/repaired", path)
			}
		}
	}
	m.report(t)
}

// undump writes what a dump of xxd is of, with holes for what is left out. It
// reports whether there was anything.
func undump(t *testing.T, dump, path string) bool {
	t.Helper()
	in, err := os.Open(dump)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	out, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	found := false
	for s := bufio.NewScanner(in); s.Scan(); {
		at, rest, ok := strings.Cut(s.Text(), ": ")
		off, err := strconv.ParseInt(at, 16, 64)
		if !ok || err != nil || off > maxImage {
			continue
		}
		digits, _, _ := strings.Cut(rest, "  ")
		b, err := hex.DecodeString(strings.ReplaceAll(digits, " ", ""))
		if err != nil {
			t.Fatalf("%s: %v", dump, err)
		}
		if _, err := out.WriteAt(b, off); err != nil {
			t.Fatal(err)
		}
		found = true
	}
	return found
}

func fatState(t *testing.T, m *matrix, state, path string) {
	t.Helper()
	out, status := verdictOf(t, "fsck.fat", "-n", path)
	peer := map[int]string{0: sound, 1: damaged}[status]
	if peer == "" {
		peer = refused
	}
	r, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	st, err := r.Stat()
	if err != nil {
		t.Fatal(err)
	}
	var problems []damage.Problem
	if f, err := fat.Open(r, st.Size()); err != nil {
		problems = append(problems, damage.Of("open", err))
	} else {
		problems = f.Check(t.Context())
	}
	detail := out
	if peer == sound {
		detail = damageText(problems)
	}
	m.add(state, peer, string(damage.VerdictOf(problems)), detail)
}

func damageText(problems []damage.Problem) string {
	var lines []string
	for _, p := range problems {
		lines = append(lines, p.String())
	}
	return strings.Join(lines, "\n")
}
