// SPDX-License-Identifier: MPL-2.0

package git

import (
	"strconv"
	"strings"
	"time"

	"github.com/carosio/carosbuild/pkg/lazyregexp"
)

// listener reads git's output on stderr: counters become events, and the last of
// the other lines are kept for an error.
type listener struct {
	cache *Cache
	url   string
	stall time.Duration
	timer *time.Timer // ends a command that is silent for the stall timeout; may be nil
	line  []byte
	last  []string
	seen  string // phase and count of the last event
}

const (
	keptLines = 6
	maxLine   = 400 // bytes; longer lines are cut
)

func (l *listener) Write(p []byte) (int, error) {
	if l.timer != nil {
		l.timer.Reset(l.stall)
	}
	for _, b := range p {
		switch {
		case b == '\n' || b == '\r':
			l.end(string(l.line))
			l.line = l.line[:0]
		case len(l.line) < maxLine:
			l.line = append(l.line, b)
		}
	}
	return len(p), nil
}

// counter matches lines such as "remote: Counting objects: 42% (5/12), done." or
// "Enumerating objects: 5, done.".
var counter = lazyregexp.New(`^(?:remote: )?([A-Z][a-z]+ [a-z]+): +(?:\d+% \((\d+)/(\d+)\)|(\d+))`)

func (l *listener) end(line string) {
	line = strings.TrimSpace(line)
	if line == "" {
		return
	}
	m := counter().FindStringSubmatch(line)
	if m == nil {
		l.last = append(l.last, line)
		if len(l.last) > keptLines {
			l.last = l.last[1:]
		}
		return
	}
	done, _ := strconv.ParseInt(m[2]+m[4], 10, 64) // one of them is empty; too many digits give the largest number
	total, _ := strconv.ParseInt(m[3], 10, 64)
	if key := m[1] + " " + m[2] + m[4]; l.url != "" && key != l.seen {
		l.seen = key
		l.cache.event(Event{URL: redact(l.url), Phase: strings.ToLower(m[1]), Done: done, Total: total})
	}
}

// text is the last messages, on one line.
func (l *listener) text() string {
	l.end(string(l.line))
	l.line = nil
	var lines []string
	for _, s := range l.last {
		if s = strings.TrimPrefix(s, "fatal: "); !strings.HasPrefix(s, "hint: ") {
			lines = append(lines, s)
		}
	}
	return printable(redact(strings.Join(lines, "; ")))
}
