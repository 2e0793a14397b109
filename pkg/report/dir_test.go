// SPDX-License-Identifier: MPL-2.0

package report

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/carosio/carosbuild/pkg/history"
)

// TestMakeDir: the directory has the page and the logs, and nothing that a report names
// elsewhere.
func TestMakeDir(t *testing.T) {
	top := t.TempDir()
	logs, secret := filepath.Join(top, "logs"), "what is elsewhere"
	for name, text := range map[string]string{
		"logs/a.log": "beginning\n" + strings.Repeat("x\n", pageLog), "logs/b?c.log": "<b>\n", "secret.log": secret, "target": secret,
	} {
		if err := os.MkdirAll(logs, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(top, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	r := &history.Report{BuildID: "x", Outputs: []history.Output{{Path: "/secret place/d.vmdk"}}, Declarations: []history.FileReport{{Name: "/secret place/x.xml"}}}
	for _, id := range []string{"a", "b?c", "gone", "../secret", "..", "", "a/../../secret"} {
		r.Stages = append(r.Stages, history.StageReport{ID: id, Log: id + ".log"})
	}
	r.Stages = append(r.Stages, history.StageReport{ID: "cached"})
	dir := filepath.Join(top, "out")
	if err := MakeDir(t.Context(), dir, logs, Input{Build: r, Zone: time.UTC}); err != nil {
		t.Fatal(err)
	}
	var names []string
	err := filepath.WalkDir(dir, func(p string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		names = append(names, strings.TrimPrefix(p, dir+"/"))
		data, err := os.ReadFile(p)
		if strings.Contains(string(data), secret) || strings.Contains(string(data), "/secret place") {
			t.Errorf("%s says what is elsewhere", p)
		}
		return err
	})
	if want := []string{"build.json", "index.html", "logs/a.txt", "logs/b?c.txt"}; err != nil || !cmp.Equal(names, want) {
		t.Errorf("%q, %v; want %q", names, err, want)
	}
	page, err := os.ReadFile(filepath.Join(dir, PageName))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`href="./logs/b%3Fc.txt"`, "The last 64.0 KiB of it", "&lt;b&gt;"} {
		if !strings.Contains(string(page), want) {
			t.Errorf("the page lacks %s", want)
		}
	}
	if strings.Contains(string(page), "beginning") {
		t.Error("the page has the beginning of a long log")
	}
	if whole, err := os.ReadFile(filepath.Join(dir, "logs/a.txt")); err != nil || !strings.HasPrefix(string(whole), "beginning\n") {
		t.Errorf("the copy of a log: %v", err)
	}
	if err := MakeDir(t.Context(), dir, logs, Input{Build: r, Zone: time.UTC}); err == nil {
		t.Error("a directory that is not empty was taken")
	}
	if err := os.Remove(filepath.Join(logs, "a.log")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(filepath.Join(top, "target"), filepath.Join(logs, "a.log")); err != nil {
		t.Fatal(err)
	}
	if err := MakeDir(t.Context(), filepath.Join(top, "out2"), logs, Input{Build: r, Zone: time.UTC}); err == nil {
		t.Error("a link was followed out of the directory of the logs")
	}
	if left, err := filepath.Glob(filepath.Join(top, "*out2*")); err != nil || len(left) != 0 {
		t.Errorf("%q is left of a directory that could not be made", left)
	}
}
