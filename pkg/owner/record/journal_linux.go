// SPDX-License-Identifier: MPL-2.0

package record

import (
	"errors"
	"fmt"
	"strings"

	"golang.org/x/sys/unix"
)

// A journal that is longer than its records by more than this is made shorter.
const slack = 8192

// lock keeps other processes from changing the journal, or with unix.LOCK_EX from reading
// it, too, until unlock is called. Where a file system has no locks there are none.
func (t *Table) lock(how int) (unlock func()) {
	if t.journal == nil {
		return func() {}
	}
	fd := int(t.journal.Fd())
	for unix.Flock(fd, how) == unix.EINTR {
	}
	return func() { _ = unix.Flock(fd, unix.LOCK_UN) }
}

func formatLine(n Inode, o Owner, perm uint32, kind string) string {
	born := 0
	if n.Born {
		born = 1
	}
	return fmt.Sprintf("%d %d %d %d %s\n", n.Number, n.Sec, n.Nsec, born, o.Format(perm, kind))
}

// add appends to the journal, all of it or nothing. The caller has read it to its end, and
// locked it.
func (t *Table) add(lines string) error {
	if _, err := t.journal.WriteString(lines); err != nil {
		return errors.Join(err, t.journal.Truncate(t.seen))
	}
	t.seen += int64(len(lines))
	return nil
}

// shorten replaces a journal that has many lines which do not count. The records are
// written once more to its end, and what was before becomes a hole, whose disk space is
// free: so other processes, which know the file by a descriptor, read on where they were.
func (t *Table) shorten() error {
	if t.lines <= 2*len(t.records)+slack {
		return nil
	}
	return t.rewrite()
}

func (t *Table) rewrite() error {
	var b strings.Builder
	b.WriteString(beginLine + "\n")
	// What is a record only beside a lower one follows that.
	for _, born := range []bool{false, true} {
		for n, o := range t.records {
			if n.Born == born {
				b.WriteString(formatLine(n, o, 0, "file")) // only the owner is ever read
			}
		}
	}
	b.WriteString(resetLine + "\n")
	start := t.seen
	err := t.add(b.String())
	if err == nil {
		err = t.journal.Sync() // before the former lines are gone
	}
	if err != nil {
		return fmt.Errorf("shorten the records of a root: %w", err)
	}
	t.lines = len(t.records)
	// A file system that has no holes keeps the lines.
	_ = unix.Fallocate(int(t.journal.Fd()), unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, 0, start)
	return nil
}

// skipHole goes on after the lines that have become a hole.
func (t *Table) skipHole() {
	if off, err := unix.Seek(int(t.journal.Fd()), t.seen, unix.SEEK_DATA); err == nil && off > t.seen {
		t.seen = off
	}
}

// InodeAt names the inode of a file, without following a link, as it is recorded.
func InodeAt(path string) (Inode, error) {
	var st unix.Statx_t
	if err := unix.Statx(unix.AT_FDCWD, path, unix.AT_SYMLINK_NOFOLLOW, unix.STATX_BASIC_STATS|unix.STATX_BTIME, &st); err != nil {
		return Inode{}, err
	}
	return inodeOf(&st), nil
}

// Mine is how many inodes have been recorded through this table, but for those that
// Forget has looked at.
func (t *Table) Mine() int {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return len(t.mine)
}

// Forget removes those records made through this table whose inodes are not there any
// more.
func (t *Table) Forget(there map[Inode]bool) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	defer t.lock(unix.LOCK_EX)()
	if t.journal != nil {
		if err := t.catchUp(); err != nil {
			return fmt.Errorf("forget records: %w", err)
		}
	}
	gone := 0
	for n := range t.mine {
		if _, ok := t.records[n]; ok && n.Born && !there[n] {
			delete(t.records, n)
			gone++
		}
	}
	clear(t.mine)
	if gone == 0 || t.journal == nil {
		return nil
	}
	return t.rewrite()
}
