// SPDX-License-Identifier: MPL-2.0

package record

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"strings"
	"sync"

	"golang.org/x/sys/unix"
)

// Inode names an inode for as long as a root is there. The time of birth tells a number
// that has been given to another file; without one (Born is false) it is a lower file of
// an overlay, whose number is never given to another one.
type Inode struct {
	Number    uint64
	Sec, Nsec int64
	Born      bool
}

// Table has the records that no attribute keeps. It may be used from several goroutines,
// and its journal by several processes, each of which sees what the others have recorded.
// The zero value is an empty table in memory.
type Table struct {
	mu      sync.RWMutex
	records map[Inode]Owner
	again   map[Inode]Owner // since a beginLine; nil outside of one
	mine    map[Inode]bool  // recorded by this process
	journal *os.File        // nil: in memory only
	seen    int64           // bytes of the journal that are in records
	lines   int             // of the journal that count
	alone   bool            // nobody else records what is read here
}

// Alone says that nobody else records anything of the files that are looked at, so that the
// journal need not be looked at each time.
func (t *Table) Alone() { t.alone = true }

// OpenTable reads the journal at path, which is made if there is none. A line that is cut
// short, as a crash leaves it, is what has not been recorded.
func OpenTable(path string) (*Table, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open the records of a root: %w", err)
	}
	t, err := NewTable(f)
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return t, nil
}

// NewTable reads a journal, an open file that is appended to, and goes on writing to it.
func NewTable(journal *os.File) (*Table, error) {
	t := &Table{records: map[Inode]Owner{}, journal: journal}
	defer t.lock(unix.LOCK_EX)()
	if err := t.catchUp(); err != nil {
		return nil, fmt.Errorf("read the records of a root: %w", err)
	}
	return t, nil
}

// catchUp reads the journal to its end, and takes away what a crash has left there of a
// line. The caller has the journal to itself.
func (t *Table) catchUp() error {
	cut, err := t.readOn()
	if err == nil && cut {
		err = t.journal.Truncate(t.seen)
	}
	return err
}

// readOn takes the lines of the journal that are new, and reports whether the last one is
// cut short. The caller has the table to itself, and a lock on the journal.
func (t *Table) readOn() (cut bool, err error) {
	t.skipHole()
	r := bufio.NewReader(io.NewSectionReader(t.journal, t.seen, 1<<62))
	for {
		line, err := r.ReadString('\n')
		if err == io.EOF {
			return line != "", nil
		}
		if err != nil {
			return false, err
		}
		// What precedes a hole's end in its block reads as zeros.
		if err := t.apply(strings.TrimLeft(strings.TrimSuffix(line, "\n"), "\x00")); err != nil {
			return false, err
		}
		t.seen += int64(len(line))
	}
}

// refresh takes what others have added to the journal.
func (t *Table) refresh() error {
	if t.journal == nil || t.alone {
		return nil
	}
	var st unix.Stat_t
	if err := unix.Fstat(int(t.journal.Fd()), &st); err != nil {
		return fmt.Errorf("read the records of a root: %w", err)
	}
	t.mu.RLock()
	old := st.Size == t.seen
	t.mu.RUnlock()
	if old {
		return nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	defer t.lock(unix.LOCK_SH)()
	if _, err := t.readOn(); err != nil {
		return fmt.Errorf("read the records of a root: %w", err)
	}
	return nil
}

// What is between these lines are all records: with the second one, what is above the first
// one counts no more. Without it, whoever wrote them was killed, and all counts.
const (
	beginLine = "all"
	resetLine = "reset"
)

// apply takes a line of the journal: number, seconds, nanoseconds, born (0 or 1), record.
func (t *Table) apply(line string) error {
	switch line {
	case beginLine:
		t.again = map[Inode]Owner{}
		return nil
	case resetLine:
		clear(t.records)
		maps.Copy(t.records, t.again)
		t.again, t.lines = nil, len(t.records)
		return nil
	}
	var n Inode
	var born int
	var value string
	if _, err := fmt.Sscanf(line, "%d %d %d %d %s", &n.Number, &n.Sec, &n.Nsec, &born, &value); err != nil {
		return fmt.Errorf("records of a root: line %q: %w", line, err)
	}
	n.Born = born == 1
	o, err := Parse(value)
	if err != nil {
		return err
	}
	t.lines++
	t.set(n, o)
	if t.again != nil {
		set(t.again, n, o)
	}
	return nil
}

// set records in memory.
func (t *Table) set(n Inode, o Owner) { set(t.records, n, o) }

// set changes records. What says the same as no record is none.
func set(records map[Inode]Owner, n Inode, o Owner) {
	if _, lower := records[Inode{Number: n.Number}]; o.Default() && n.Born && !lower {
		delete(records, n)
		return
	}
	records[n] = o
}

// Empty reports whether there are no records.
func (t *Table) Empty() bool {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return len(t.records) == 0
}

// Lookup finds the record of an inode.
func (t *Table) Lookup(n Inode) (Owner, bool) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	if o, ok := t.records[n]; ok {
		return o, true
	}
	o, ok := t.records[Inode{Number: n.Number}]
	return o, ok
}

// Put records an inode and has it in the journal before it returns. Kind is of the file
// itself.
func (t *Table) Put(n Inode, o Owner, perm uint32, kind string) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if old, ok := t.records[n]; ok && old == o {
		return nil
	}
	if t.records == nil {
		t.records = map[Inode]Owner{}
	}
	if t.mine == nil {
		t.mine = map[Inode]bool{}
	}
	t.mine[n] = true
	if t.journal == nil {
		t.set(n, o)
		return nil
	}
	defer t.lock(unix.LOCK_EX)()
	if err := t.catchUp(); err != nil {
		return fmt.Errorf("record an owner: %w", err)
	}
	if err := t.add(formatLine(n, o, perm, kind)); err != nil {
		return fmt.Errorf("record an owner: %w", err)
	}
	t.lines++
	t.set(n, o)
	return t.shorten()
}

// Len is how many records there are.
func (t *Table) Len() int {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return len(t.records)
}

// Close closes the journal.
func (t *Table) Close() error {
	if t.journal == nil {
		return nil
	}
	return t.journal.Close()
}
