// SPDX-License-Identifier: MPL-2.0

// Package terminal makes foreign text fit to be printed: names of files,
// output of commands, answers of servers. Whatever such text holds, it can
// neither steer a terminal, nor pass for another line, nor be taken for a
// command by a CI service that reads the log.
package terminal

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"
)

// Acts reports whether a character could do more to a terminal than appear on
// it: controls (C0, C1, tab and line ends among them), and what ends a line,
// is invisible or changes the direction of writing.
func Acts(r rune) bool {
	return unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp)
}

// Line is a text as one line. A tab becomes a blank; what acts on a terminal
// and what is not UTF-8 becomes U+FFFD; commands of CI services are broken up.
func Line(s string) string { return Defuse(strings.Map(shown, s)) }

func shown(r rune) rune {
	switch {
	case r == '\t':
		return ' '
	case Acts(r):
		return utf8.RuneError
	}
	return r // utf8.RuneError for each byte that is not UTF-8
}

// Text is a text of several lines, each of them as Line has it. All but the
// first begin with a blank, so that none of them looks like a line of the
// program's own.
func Text(s string) string {
	lines := strings.Split(strings.TrimRight(s, "\n"), "\n")
	for i, l := range lines {
		lines[i] = Line(l)
		if i > 0 && !strings.HasPrefix(lines[i], " ") {
			lines[i] = "  " + lines[i]
		}
	}
	return strings.Join(lines, "\n")
}

// Defuse breaks up what GitHub Actions, Azure Pipelines and TeamCity take for
// a command in a log: "::" where a line begins, "##[" and "##name[" anywhere.
func Defuse(line string) string {
	if rest := strings.TrimLeftFunc(line, unicode.IsSpace); strings.HasPrefix(rest, "::") {
		line = line[:len(line)-len(rest)] + ": " + rest[1:]
	}
	for from := 0; ; {
		i := strings.Index(line[from:], "##")
		if i < 0 {
			return line
		}
		from += i + 1
		if word := strings.TrimLeft(line[from+1:], letters); strings.HasPrefix(word, "[") {
			line = line[:from] + " " + line[from:]
		}
	}
}

const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"

// JSON makes an encoded document fit to be printed without changing what it
// says: characters that act, and a # that may begin a command, are written as
// escapes. They can stand in strings only.
func JSON(doc []byte) []byte {
	var out bytes.Buffer
	for _, r := range string(doc) {
		switch {
		case r == '#', r > 0x7e && r < 0x10000 && Acts(r):
			fmt.Fprintf(&out, `\u%04x`, r)
		case r >= 0x10000 && Acts(r): // a surrogate pair
			r -= 0x10000
			fmt.Fprintf(&out, `\u%04x\u%04x`, 0xd800+r>>10, 0xdc00+r&0x3ff)
		default:
			out.WriteRune(r)
		}
	}
	return out.Bytes()
}

// Writer passes lines on as Line has them, for libraries that log.
type Writer struct {
	W io.Writer

	mu   sync.Mutex
	line []byte
}

// Write implements io.Writer. What does not end in a line end waits for more.
func (w *Writer) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.line = append(w.line, p...)
	for {
		line, rest, ok := bytes.Cut(w.line, []byte{'\n'})
		if !ok {
			return len(p), nil
		}
		if _, err := io.WriteString(w.W, Line(string(line))+"\n"); err != nil {
			return 0, err
		}
		w.line = append(w.line[:0], rest...)
	}
}
