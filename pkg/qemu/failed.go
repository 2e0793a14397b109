// This Source Code Form is subject to the terms of the Mozilla Public
// License, v. 2.0. If a copy of the MPL was not distributed with this
// file, You can obtain one at https://mozilla.org/MPL/2.0/.

package qemu

import (
	"regexp"
	"slices"
	"strings"
)

const (
	// maxFailed bounds how many failures of a guest are kept.
	maxFailed = 12
	// maxFailedText bounds the characters of each.
	maxFailedText = 200
)

// failures are the lines by which init systems say that something did not
// start: systemd's status messages, the same from its log, and OpenRC's.
var failures = regexp.MustCompile(`\[ *(?:FAILED|TIME|DEPEND) *\] (.+)|` +
	`systemd\[1\]: ((?:Failed to (?:start|mount|listen on|activate)|Timed out waiting for|Dependency failed for) .+|\S+: (?:Failed with result|Job \S+ timed out).*)|` +
	`\* (ERROR: \S+ failed to start.*)`)

// failure is what a line of the console says that has failed, "" for nothing.
func failure(line string) string {
	if !strings.ContainsAny(line, "[*") {
		return ""
	}
	m := failures.FindStringSubmatch(line)
	if m == nil {
		return ""
	}
	text := []rune(strings.TrimSpace(strings.Join(m[1:], "")))
	if len(text) > maxFailedText {
		text = append(text[:maxFailedText-1], '…')
	}
	return string(text)
}

// noteFailure keeps what a line says that has failed.
func (c *console) noteFailure(line string) {
	if f := failure(line); f != "" && len(c.failed) < maxFailed && !slices.Contains(c.failed, f) {
		c.failed = append(c.failed, f)
	}
}
