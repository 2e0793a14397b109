// SPDX-License-Identifier: MPL-2.0

package qemu

import (
	"strings"

	"github.com/carosio/carosbuild/pkg/lazyregexp"
)

const (
	// maxFailed bounds how many failures of a guest are kept.
	maxFailed = 12
	// maxFailedText bounds the length of each in characters.
	maxFailedText = 200
)

// failures are the lines in which init systems report that something did not start:
// systemd's status messages, the same from its log, and OpenRC's.
var failures = lazyregexp.New(`\[ *(?:FAILED|TIME|DEPEND) *\] (.+)|` +
	`systemd\[1\]: ((?:Failed to (?:start|mount|listen on|activate)|Timed out waiting for|Dependency failed for) .+|\S+: (?:Failed with result|Job \S+ timed out).*)|` +
	`\* (ERROR: \S+ failed to start.*)`)

// failure is the failure that a line of the console reports, or "".
func failure(line string) string {
	if !strings.ContainsAny(line, "[*") {
		return ""
	}
	m := failures().FindStringSubmatch(line)
	if m == nil {
		return ""
	}
	text := []rune(strings.TrimSpace(cut().ReplaceAllString(strings.Join(m[1:], ""), "$1")))
	if len(text) > maxFailedText {
		text = append(text[:maxFailedText-1], '…')
	}
	return string(text)
}

// cut are the halves of a control sequence at the place where systemd has shortened
// a line.
var cut = lazyregexp.New("\x1b\\[?[0-9;]*|(…)[0-9;]+m")

// noteFailure keeps the failure that a line reports. systemd reports it twice, on
// the console in a shortened line and in the kernel's log: the longer one is kept.
func (c *console) noteFailure(line string) {
	f := failure(line)
	if f == "" {
		return
	}
	for i, have := range c.failed {
		if shortened(f, have) {
			return
		}
		if shortened(have, f) {
			c.failed[i] = f
			return
		}
	}
	if len(c.failed) < maxFailed {
		c.failed = append(c.failed, f)
	}
}

// shortened reports whether s is a text, or the same text with a part replaced by
// an ellipsis.
func shortened(s, text string) bool {
	before, behind, ok := strings.Cut(s, "…")
	return s == text || ok && len(before)+len(behind) <= len(text) && strings.HasPrefix(text, before) && strings.HasSuffix(text, behind)
}
