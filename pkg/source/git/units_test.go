// SPDX-License-Identifier: MPL-2.0

package git

import (
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestRedact(t *testing.T) {
	for text, want := range map[string]string{
		"https://x/y@z":                          "https://x/y@z",
		"https://token@x/y":                      "https://x/y",
		"fatal: https://a:b@x/y and http://c@z/": "fatal: https://x/y and http://z/",
		"HTTPS://a:p@ss@x/y":                     "HTTPS://x/y",
		"ssh://git@x/y":                          "ssh://git@x/y",
		"'ssh://git:secret@x/y'":                 "'ssh://git@x/y'",
		"git@x:y":                                "git@x:y",
		"/srv/git/a@b":                           "/srv/git/a@b",
	} {
		if got := redact(text); got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
}

// TestListener: output of a server is counted or kept, but only a little of it, and
// nothing that acts on a terminal.
func TestListener(t *testing.T) {
	var got []Event
	l := &listener{cache: &Cache{Events: func(e Event) { got = append(got, e) }}, url: "https://x/y"}
	for _, part := range []string{
		"remote: Counting obj", "ects:  50% (1/2)\rremote: Counting objects:  50% (1/2)\rremote: Counting objects: 100% (2/2), done.\n",
		"Receiving objects: 99999999999999999999% (99999999999999999999/1)\n", "Unpacking objects: -1% (-1/2)\n",
		"remote: \x1b[2Jevil\u202e\n", strings.Repeat("x", 10000) + "\nhint: no\nfatal: https://u:p@x/ is gone",
	} {
		if n, err := l.Write([]byte(part)); n != len(part) || err != nil {
			t.Fatalf("got %d, %v", n, err)
		}
	}
	want := []Event{
		{URL: "https://x/y", Phase: "counting objects", Done: 1, Total: 2},
		{URL: "https://x/y", Phase: "counting objects", Done: 2, Total: 2},
		{URL: "https://x/y", Phase: "receiving objects", Done: math.MaxInt64, Total: 1},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("events: -want +got\n%s", diff)
	}
	text := "Unpacking objects: -1% (-1/2); remote: \uFFFD[2Jevil\uFFFD; " + strings.Repeat("x", maxLine) + "; https://x/ is gone"
	if diff := cmp.Diff(text, l.text()); diff != "" {
		t.Errorf("text: -want +got\n%s", diff)
	}
}

// TestCleanEnv: of git's own variables, only those for reaching a server are passed
// on.
func TestCleanEnv(t *testing.T) {
	env := cleanEnv([]string{"HOME=/h", "GIT_DIR=/x", "GIT_CONFIG_COUNT=9", "GIT_SSH=/my/ssh", "GIT_EXTERNAL_DIFF=x", "LC_ALL=de_DE", "GIT_SSL_CAINFO=/ca"})
	last := map[string]string{}
	for _, v := range env {
		name, value, _ := strings.Cut(v, "=")
		last[name] = value
	}
	for name, want := range map[string]string{"HOME": "/h", "GIT_SSH": "/my/ssh", "GIT_SSL_CAINFO": "/ca", "LC_ALL": "C", "GIT_TERMINAL_PROMPT": "0", "GIT_ASKPASS": ""} {
		if got, ok := last[name]; !ok || got != want {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
	for _, name := range []string{"GIT_DIR", "GIT_CONFIG_COUNT", "GIT_EXTERNAL_DIFF", "GIT_SSH_COMMAND"} {
		if got, ok := last[name]; ok {
			t.Errorf("%s is there: %q", name, got)
		}
	}
}

// TestSettleRefuses: a file that is not an index, and an index that is truncated
// anywhere.
func TestSettleRefuses(t *testing.T) {
	size := func(string) (int64, error) { return 1, nil }
	good := append([]byte("DIRC\x00\x00\x00\x02\x00\x00\x00\x01"), make([]byte, 24)...)
	good = append(good, "\x00\x00\x81\xa4"...)
	good = append(good, make([]byte, 12+20)...)
	good = append(good, "\x00\x01a\x00\x00\x00\x00\x00\x00\x00\x00\x00"...)
	good = good[:12+64]
	good = append(good, make([]byte, 20)...)
	if _, n, err := settle(good, 20, 5, size); err != nil || n != 0 {
		t.Fatalf("got %d, %v", n, err)
	}
	for n := range good {
		if _, _, err := settle(good[:n], 20, 5, size); err == nil {
			t.Errorf("cut at %d: want an error", n)
		}
	}
	huge := append([]byte(nil), good...)
	copy(huge[8:], "\xff\xff\xff\xff")
	if _, _, err := settle(huge, 20, 5, size); err == nil {
		t.Error("more entries than there are: want an error")
	}
}
