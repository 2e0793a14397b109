// SPDX-License-Identifier: MPL-2.0

//go:build peers

package integration

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// peerSources unpacks the tests of Debian source packages and gives the
// directory that they are in. CAROSBUILD_PEERS names one to keep between runs.
func peerSources(t *testing.T, packages ...string) string {
	t.Helper()
	dir := os.Getenv("CAROSBUILD_PEERS")
	if dir == "" {
		dir = t.TempDir()
	}
	for _, p := range packages {
		if _, err := os.Stat(filepath.Join(dir, p)); err == nil {
			continue
		}
		fetchSource(t, dir, p)
	}
	return dir
}

// fetchSource downloads a source package with apt and unpacks its tests. The
// host's lists of sources need not have lines for source packages, and are not
// touched: apt gets lists and a cache of its own.
func fetchSource(t *testing.T, dir, name string) {
	t.Helper()
	apt := filepath.Join(dir, "apt")
	for _, d := range []string{"lists/partial", "cache/archives/partial"} {
		if err := os.MkdirAll(filepath.Join(apt, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	list := filepath.Join(apt, "sources.list")
	if err := os.WriteFile(list, []byte(sourceLines(t)), 0o600); err != nil {
		t.Fatal(err)
	}
	options := []string{
		"-qq", "-o", "Dir::Etc::SourceList=" + list, "-o", "Dir::Etc::SourceParts=/dev/null",
		"-o", "Dir::State::Lists=" + filepath.Join(apt, "lists"), "-o", "Dir::Cache=" + filepath.Join(apt, "cache"),
		"-o", "APT::Sandbox::User=", "-o", "Debug::NoLocking=1",
	}
	peer(t, apt, "apt-get", append(slices.Clone(options), "update")...)
	peer(t, apt, "apt-get", append(slices.Clone(options), "source", "--download-only", name)...)
	found, err := filepath.Glob(filepath.Join(apt, name+"_*.orig.tar.*z"))
	if err != nil || len(found) != 1 {
		t.Fatalf("apt-get source %s: %v, %v", name, found, err)
	}
	tmp := filepath.Join(dir, "."+name)
	if err := os.MkdirAll(tmp, 0o755); err != nil {
		t.Fatal(err)
	}
	peer(t, tmp, "tar", "xf", found[0], "--strip-components=1", "--wildcards", "*/tests")
	if err := os.Rename(tmp, filepath.Join(dir, name)); err != nil {
		t.Fatal(err)
	}
}

// sourceLines are lines for the source packages of the distribution's mirrors
// that the host is set up for.
func sourceLines(t *testing.T) string {
	t.Helper()
	out := peer(t, "", "apt-get", "indextargets", "--format", "$(ORIGIN) deb-src $(REPO_URI) $(RELEASE) $(COMPONENT)", "Created-By: Packages")
	var lines []string
	for line := range strings.Lines(out) {
		origin, source, _ := strings.Cut(strings.TrimSpace(line), " ")
		if origin == "Debian" || origin == "Ubuntu" {
			lines = append(lines, source)
		}
	}
	slices.Sort(lines)
	if len(lines) == 0 {
		t.Fatal("apt has no lists of Debian or Ubuntu: run apt-get update")
	}
	return strings.Join(slices.Compact(lines), "\n") + "\n"
}

// peer runs a program to the end; any failure of it is one of the test.
func peer(t *testing.T, dir, name string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Dir = dir
	var diag bytes.Buffer
	cmd.Stderr = &diag
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s%s", name, strings.Join(args, " "), err, out, diag.String())
	}
	return string(out)
}

// patience is how long a checker may take: some go round in circles.
const patience = 10 * time.Second

// verdictOf runs a checker, whose exit status is of interest, in the C locale. One
// that was ended has the status -1.
func verdictOf(t *testing.T, name string, args ...string) (out string, status int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Env = append(os.Environ(), "LC_ALL=C", "TZ=UTC", "E2FSCK_TIME=1700000000") // so that a second repair changes no time
	b, err := cmd.CombinedOutput()
	if err != nil && cmd.ProcessState == nil {
		t.Fatalf("%s: %v", name, err)
	}
	return string(b), cmd.ProcessState.ExitCode()
}
