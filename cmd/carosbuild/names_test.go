// SPDX-License-Identifier: MPL-2.0

package main

import (
	"testing"
	"time"
)

func TestAge(t *testing.T) {
	const day = 24 * time.Hour
	for d, want := range map[time.Duration]string{
		-time.Hour: "just now", 59 * time.Second: "just now", time.Minute: "1 minute ago", 119 * time.Minute: "1 hour ago", 3 * time.Hour: "3 hours ago",
		47 * time.Hour: "1 day ago", 13 * day: "1 week ago", 29 * day: "4 weeks ago", 45 * day: "1 month ago", 800 * day: "2 years ago",
	} {
		if got := age(d); got != want {
			t.Errorf("age(%v) = %q, want %q", d, got, want)
		}
	}
}

func TestDefaultBuildID(t *testing.T) {
	at := time.Date(2015, 2, 19, 20, 56, 42, 0, time.Local)
	for user, want := range map[string]string{
		"thintze": "2015-02-19-205642-thintze", "Ann Other": "2015-02-19-205642-annother", "_apt": "2015-02-19-205642", "": "2015-02-19-205642", "x-": "2015-02-19-205642",
	} {
		if got := defaultBuildID(at, user); got != want {
			t.Errorf("the build id of user %q is %s, want %s", user, got, want)
		}
	}
}

// No option of ours may be the beginning of one of redomat's: it would mean that
// one.
func TestOptionsAreNoBeginnings(t *testing.T) {
	c := newBuildCommand(newApp())
	cmd := c.command("x")
	for _, name := range []string{"out", "format", "disk", "target", "update", "locked", "json", "jobs", "network", "no-cache", "verify-boot", "foreign", "compression-level", "list", "success-tag"} {
		if f := cmd.Flags().Lookup(name); f == nil || f.Name != name {
			t.Errorf("--%s is %v", name, f)
		}
	}
	if len(c.shortened) != 0 {
		t.Errorf("taken for shortened ones: %v", c.shortened)
	}
}
