// SPDX-License-Identifier: MPL-2.0

package history

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
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

// EventLog is the file of a build's events while it is written. The file is locked until
// Close: so others see whether its build still runs. Its methods may be called
// concurrently.
type EventLog struct {
	mu           sync.Mutex
	file         *os.File
	size         int64
	output, most int64 // sizes from which on output, or anything, is left out
	err          error // of the first line that could not be written
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
	return &EventLog{file: f, output: mostOutput, most: mostEvents}, nil
}

// Write implements io.Writer for whole lines. A line that does not fit is left out; of
// one that could be written in part only, nothing stays. The error is always nil, see
// Close: a build does not depend on its events.
func (l *EventLog) Write(line []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.size+int64(len(line)) > l.most {
		return len(line), nil
	}
	n, err := l.file.WriteAt(line, l.size)
	if err != nil {
		if n > 0 {
			err = errors.Join(err, l.file.Truncate(l.size))
		}
		if l.err == nil {
			l.err = fmt.Errorf("keep the events of a build: %w", err)
		}
		return len(line), nil
	}
	l.size += int64(len(line))
	return len(line), nil
}

// Room reports whether the file still takes the output of steps.
func (l *EventLog) Room() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.size < l.output
}

// Close ends the file. The error is that of the first line that could not be written.
func (l *EventLog) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	err := l.file.Close()
	if l.err != nil {
		return l.err
	}
	return err
}
