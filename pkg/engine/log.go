// SPDX-License-Identifier: MPL-2.0

package engine

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"sync"
)

// How much of a step's output is kept for a message, and how long a line may be
// before it is broken: commands may print anything.
const (
	tailLines = 20
	maxLine   = 4096
)

// stepLog takes a stage's output: it writes all to a file, hands lines to a callback,
// and keeps the last lines for a message.
type stepLog struct {
	mu   sync.Mutex
	file *os.File
	gaps bool  // something could not be written to file
	from int64 // where in file the output of the present step begins
	line []byte
	last []string
	emit func(string)
	lost func(error)  // called once, when the file becomes incomplete
	also func(string) // watches the current step, or nil
	apt  func(string) // likewise
}

func openStepLog(path string, emit func(string), lost func(error)) (*stepLog, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, fmt.Errorf("step log: %w", err)
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, fmt.Errorf("step log: %w", err)
	}
	return &stepLog{file: f, emit: emit, lost: lost}, nil
}

func (l *stepLog) path() string { return l.file.Name() }

// watch hands the following lines to f, too, until it is called with nil.
func (l *stepLog) watch(f func(string)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.also = f
}

// watchPackages is watch for the output of package managers.
func (l *stepLog) watchPackages(f func(string)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.apt = f
}

// title starts the section of a step.
func (l *stepLog) title(s string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.last = nil
	_, err := fmt.Fprintf(l.file, "==> %s\n", s)
	l.check(err)
	l.from, err = l.file.Seek(0, io.SeekEnd)
	l.check(err)
}

// end is the end of the present step's output, of at most so many bytes.
func (l *stepLog) end(most int64) (string, error) {
	f, err := os.Open(l.path())
	if err != nil {
		return "", err
	}
	defer f.Close()
	size, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		return "", err
	}
	from := max(l.from, size-most)
	data := make([]byte, max(size-from, 0))
	n, err := f.ReadAt(data, from)
	if err == io.EOF {
		err = nil
	}
	return string(data[:n]), err
}

// check records that something was not written. The step goes on: its result does not
// depend on the log.
func (l *stepLog) check(err error) {
	if err != nil && !l.gaps {
		l.gaps = true
		l.lost(err)
	}
}

// Write implements io.Writer and never fails. It does not buffer: the output of a killed
// build is in the file.
func (l *stepLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	_, err := l.file.Write(p)
	l.check(err)
	for rest := p; len(rest) > 0; {
		i := bytes.IndexByte(rest, '\n')
		if i < 0 {
			l.line = append(l.line, rest...)
			break
		}
		l.line = append(l.line, rest[:i]...)
		l.flushLine()
		rest = rest[i+1:]
	}
	for len(l.line) > maxLine { // do not wait for the end of the line
		l.say(string(l.line[:maxLine]))
		l.line = append(l.line[:0], l.line[maxLine:]...)
	}
	return len(p), nil
}

// flushLine ends the current line.
func (l *stepLog) flushLine() {
	line := bytes.TrimSuffix(l.line, []byte("\r"))
	if i := bytes.LastIndexByte(line, '\r'); i >= 0 { // a progress display
		line = line[i+1:]
	}
	for len(line) > maxLine {
		l.say(string(line[:maxLine]))
		line = line[maxLine:]
	}
	l.say(string(line))
	l.line = l.line[:0]
}

func (l *stepLog) say(s string) {
	l.last = append(l.last, s)
	if len(l.last) > tailLines {
		l.last = slices.Delete(l.last, 0, len(l.last)-tailLines)
	}
	l.emit(s)
	for _, watch := range []func(string){l.also, l.apt} {
		if watch != nil {
			watch(s)
		}
	}
}

// tail returns the last lines of the current step.
func (l *stepLog) tail() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.line) > 0 {
		l.flushLine()
	}
	return slices.Clone(l.last)
}

// close ends the log.
func (l *stepLog) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.line) > 0 {
		l.flushLine()
	}
	l.check(l.file.Close())
}
