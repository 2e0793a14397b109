// SPDX-License-Identifier: MPL-2.0

package history

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/carosio/carosbuild/pkg/progress"
)

func TestFindLogs(t *testing.T) {
	dir := t.TempDir()
	l := Logs{Dir: filepath.Join(dir, "none")}
	none := (*NoLogError)(nil)
	if _, _, err := l.Find(""); !errors.As(err, &none) || err.Error() != "no build has left logs" {
		t.Errorf("no builds: %v", err)
	}
	put := func(id string, files map[string]string) {
		for name, text := range files {
			path := filepath.Join(dir, id, name)
			if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, []byte(text), 0o600)); err != nil {
				t.Fatal(err)
			}
		}
	}
	put("old", map[string]string{"base.log": "", "top.log": "", ReportName: `{"schema":1,"build_id":"old","start":"1970-01-01T00:00:05Z","failed":{"stage":"top","step":2}}`})
	put("new", map[string]string{"base.log": "", EventsName: line(progress.Begun, "", 0, 9, "new")})
	put("empty", map[string]string{"base.log": ""}) // nothing says when it was
	put("theirs", map[string]string{"base.log": "", EventsName: line(progress.Begun, "", 0, 99, "theirs")})
	l = Logs{Dir: dir, Hidden: func(id string) bool { return id == "theirs" }}
	for name, want := range map[string]string{
		"": "new:", "latest": "new:", "old": "old:", "old:top": "old:top", "top": "old:top", "latest:top": "old:top", "base": "new:base", "new:base": "new:base",
		"theirs": "!", "empty": "!", "nosuch": "!", "old:nosuch": "!", "nosuch:base": "!", "old:": "!", ":": "!", "new:top": "!", "..": "!", "old:../new/base": "!",
	} {
		b, stage, err := l.Find(name)
		if got := b.ID + ":" + stage; want == "!" && !errors.As(err, &none) || want != "!" && (err != nil || got != want) {
			t.Errorf("%q: got %s, %v; want %s", name, got, err, want)
		}
	}
	if _, _, err := l.Find("od"); err == nil || !strings.Contains(err.Error(), `did you mean "old"?`) {
		t.Errorf("misspelt: %v", err)
	}
	if b, stage, err := l.Failed(); b.ID != "old" || stage != "top" || err != nil {
		t.Errorf("failed: %s:%s, %v", b.ID, stage, err)
	}
}

func TestParseSince(t *testing.T) {
	zone := time.FixedZone("x", 3600)
	now := time.Date(2026, 11, 30, 21, 0, 0, 0, zone)
	for s, want := range map[string]time.Time{
		"90s": now.Add(-90 * time.Second), "2h30m": now.Add(-150 * time.Minute), "2d": now.Add(-48 * time.Hour), "1.5d": now.Add(-36 * time.Hour),
		"14:30": time.Date(2026, 11, 30, 14, 30, 0, 0, zone), "14:30:05": time.Date(2026, 11, 30, 14, 30, 5, 0, zone),
		"2026-11-29": time.Date(2026, 11, 29, 0, 0, 0, 0, zone), "2026-11-29 14:30": time.Date(2026, 11, 29, 14, 30, 0, 0, zone),
		"2026-11-29T14:30:05": time.Date(2026, 11, 29, 14, 30, 5, 0, zone), "2026-11-29T14:30:05Z": time.Date(2026, 11, 29, 14, 30, 5, 0, time.UTC),
	} {
		if got, err := ParseSince(s, now); err != nil || !got.Equal(want) {
			t.Errorf("%s: got %s, %v; want %s", s, got, err, want)
		}
	}
	for _, s := range []string{"", "x", "-1h", "-1d", "25:00", "2026-13-01", "10", "99999999999d"} {
		if got, err := ParseSince(s, now); err == nil {
			t.Errorf("%q is %s", s, got)
		}
	}
}
