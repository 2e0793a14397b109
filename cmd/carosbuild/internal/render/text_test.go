// SPDX-License-Identifier: MPL-2.0

package render

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
		if got := Age(d); got != want {
			t.Errorf("age(%v) = %q, want %q", d, got, want)
		}
	}
}
