// SPDX-License-Identifier: MPL-2.0

package history

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// EventsName is the file of a build's events, beside its report: JSON objects, one a
// line, as docs/progress.md describes them.
const EventsName = "events.jsonl"

// How large the file of events becomes, in bytes. The output of steps stops first: the
// logs have all of it.
const (
	mostOutput = 64 << 20
	mostEvents = 80 << 20
)

// Lines are written together, after a moment or when there are many of them: a command may
// print a million. What a killed build has kept lacks that moment.
const (
	flushEvents = 100 * time.Millisecond
	flushSize   = 64 << 10
)

// EventLog is the file of a build's events while it is written. The file is locked until
// Close: so others see whether its build still runs. Its methods may be called
// concurrently.
type EventLog struct {
	mu           sync.Mutex
	file         *os.File
	lines        []byte // that are not written yet
	size         int64  // of the file, without those
	output, most int64  // sizes from which on output, or anything, is left out
	err          error  // of the first lines that could not be written
	stop         chan struct{}
	flusher      sync.WaitGroup
}

// CreateEvents begins the file of events in a directory of logs, which it makes. That of
// an earlier build with the same id is replaced.
func CreateEvents(dir string) (*EventLog, error) {
	l, err := createEvents(dir)
	if err != nil {
		return nil, fmt.Errorf("keep the events of a build: %w", err)
	}
	return l, nil
}

func createEvents(dir string) (*EventLog, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	f, err := os.CreateTemp(dir, ".events-") // it has mode 0600
	if err != nil {
		return nil, err
	}
	if err = lockFile(f); err == nil { // before anybody can see it
		err = os.Rename(f.Name(), filepath.Join(dir, EventsName))
	}
	if err != nil {
		return nil, errors.Join(err, f.Close(), os.Remove(f.Name()))
	}
	l := &EventLog{file: f, output: mostOutput, most: mostEvents, stop: make(chan struct{})}
	l.flusher.Go(l.flushing)
	return l, nil
}

// flushing writes lines that nothing has followed.
func (l *EventLog) flushing() {
	t := time.NewTicker(flushEvents)
	defer t.Stop()
	for {
		select {
		case <-t.C:
			l.mu.Lock()
			l.flush()
			l.mu.Unlock()
		case <-l.stop:
			return
		}
	}
}

// Write implements io.Writer for whole lines. A line for which there is no room is left out.
// The error is always nil, see Close: a build does not depend on its events.
func (l *EventLog) Write(line []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.size+int64(len(l.lines)+len(line)) > l.most {
		return len(line), nil
	}
	if l.lines = append(l.lines, line...); len(l.lines) >= flushSize {
		l.flush()
	}
	return len(line), nil
}

// flush writes what is waiting. Of lines that could be written in part only, nothing stays.
func (l *EventLog) flush() {
	if len(l.lines) == 0 {
		return
	}
	n, err := l.file.WriteAt(l.lines, l.size)
	switch {
	case err == nil:
		l.size += int64(n)
	case n > 0:
		err = errors.Join(err, l.file.Truncate(l.size))
	}
	if err != nil && l.err == nil {
		l.err = fmt.Errorf("keep the events of a build: %w", err)
	}
	l.lines = l.lines[:0]
}

// Room reports whether the file still takes the output of steps.
func (l *EventLog) Room() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.size+int64(len(l.lines)) < l.output
}

// Close ends the file. The error is that of the first lines that could not be written.
func (l *EventLog) Close() error {
	close(l.stop)
	l.flusher.Wait()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.flush()
	err := l.file.Close()
	if l.err != nil {
		return l.err
	}
	return err
}
