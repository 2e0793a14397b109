// SPDX-License-Identifier: MPL-2.0

package feed

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// opkg is a real one: that of CAROSBUILD_TEST_OPKG, or of the PATH. Debian has
// no package of it, so that its absence is not a failure anywhere.
func opkg(t *testing.T) string {
	t.Helper()
	if p := os.Getenv("CAROSBUILD_TEST_OPKG"); p != "" {
		return p
	}
	for _, name := range []string{"opkg", "opkg-cl"} {
		if p, err := exec.LookPath(name); err == nil {
			return p
		}
	}
	t.Skip("opkg is not installed: CAROSBUILD_TEST_OPKG=PROGRAM names one")
	return ""
}

// TestOpkg has the real opkg read the index of a reduced feed, and install from
// it: files are found, their sums are right, and what is needed comes along in
// the older version.
func TestOpkg(t *testing.T) {
	program := opkg(t)
	lib, tool := fake{Name: "lib", Version: "1.0-r9", Content: "lib"}, fake{Name: "tool", Version: "2-r9", Arch: "x86", Content: "old", Fields: "Depends: lib (= 1.0-r9)\n"}
	older := newFeed(t, lib, tool)
	newTool := tool.rebuilt("2-r10")
	newTool.Content, newTool.Fields = "new", "Depends: lib (= 1.0-r10)\n"
	out, _ := reduce(t, older, newFeed(t, lib.rebuilt("1.0-r10"), newTool))

	dir := t.TempDir()
	root := filepath.Join(dir, "root")
	for _, d := range []string{"var/lib/opkg/lists", "usr/lib/opkg", "tmp", "var/run", "run", "var/cache/opkg"} {
		must(t, os.MkdirAll(filepath.Join(root, d), 0o755))
	}
	var conf strings.Builder
	conf.WriteString("dest root /\narch all 1\narch x86 10\n")
	for _, arch := range []string{"all", "x86"} {
		fmt.Fprintf(&conf, "src/gz %s file:%s/%s\n", arch, out, arch)
	}
	config := filepath.Join(dir, "opkg.conf")
	must(t, os.WriteFile(config, []byte(conf.String()), 0o644))
	opkg := func(args ...string) string {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), program, append([]string{"-f", config, "-o", root, "--tmp-dir", dir}, args...)...)
		text, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("opkg %v: %v\n%s", args, err, text)
		}
		return string(text)
	}
	opkg("update")
	if got, want := opkg("list"), []string{"lib - 1.0-r9", "tool - 2-r10"}; !strings.Contains(got, want[0]) || !strings.Contains(got, want[1]) {
		t.Errorf("opkg list: got %s, want %s", got, want)
	}
	opkg("install", "tool")
	for name, want := range map[string]string{"lib": "lib", "tool": "new"} {
		if got, err := os.ReadFile(filepath.Join(root, "usr/share", name)); err != nil || string(got) != want {
			t.Errorf("%s: got %q, error %v, want %q", name, got, err, want)
		}
	}
	// A package that is not what the index says is refused.
	must(t, os.WriteFile(filepath.Join(out, "x86", newTool.file()), tool.bytes(t), 0o644))
	opkg("remove", "tool")
	cmd := exec.CommandContext(t.Context(), program, "-f", config, "-o", root, "--tmp-dir", dir, "install", "tool")
	if text, err := cmd.CombinedOutput(); err == nil {
		t.Errorf("another package was installed:\n%s", text)
	}
}
