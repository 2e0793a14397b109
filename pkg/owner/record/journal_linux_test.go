// SPDX-License-Identifier: MPL-2.0

package record

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// A journal of many changes keeps little disk space, and whoever has it open, or opens it,
// sees the records as they are.
func TestJournalStaysShort(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal")
	a, err := OpenTable(path)
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	b, err := OpenTable(path)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	others := Inode{Number: 5, Sec: 1, Born: true}
	if err := b.Put(others, Owner{UID: 9}, 0, "pipe"); err != nil {
		t.Fatal(err)
	}
	const changes = 50_000
	for i := range uint32(changes) {
		n := Inode{Number: uint64(i % 3), Sec: 7, Born: true}
		if err := a.Put(n, Owner{UID: i}, 0o777, "symlink"); err != nil {
			t.Fatal(err)
		}
		if i%7000 == 0 {
			if err := b.refresh(); err != nil {
				t.Fatal(err)
			}
		}
	}
	c, err := OpenTable(path)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for name, table := range map[string]*Table{"a": a, "b": b, "c": c} {
		if err := table.refresh(); err != nil {
			t.Fatal(err)
		}
		o, _ := table.Lookup(Inode{Number: 1, Sec: 7, Born: true})
		kept, ok := table.Lookup(others)
		if o.UID != changes-1 || kept.UID != 9 || !ok || table.Len() != 4 || table.lines > slack+100 {
			t.Errorf("%s: %+v, %+v, %d records, %d lines", name, o, kept, table.Len(), table.lines)
		}
	}
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil || st.Blocks*512 > 2<<20 {
		t.Errorf("%d bytes on the disk for a file of %d, %v", st.Blocks*512, st.Size, err)
	}
}

// Half a line of a process that was killed does not spoil the line of another one.
func TestHalfALine(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal")
	table, err := OpenTable(path)
	if err != nil {
		t.Fatal(err)
	}
	defer table.Close()
	if _, err := table.journal.WriteString("1 2 3"); err != nil {
		t.Fatal(err)
	}
	if err := table.Put(Inode{Number: 8}, Owner{UID: 3}, 0, "pipe"); err != nil {
		t.Fatal(err)
	}
	if data, err := os.ReadFile(path); err != nil || string(data) != "8 0 0 0 3:0:0000:pipe\n" {
		t.Errorf("%q, %v", data, err)
	}
}

// What this process has recorded and is gone is forgotten, and nothing else.
func TestForget(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal")
	other, err := OpenTable(path)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	theirs, stays, gone := Inode{1, 1, 1, true}, Inode{2, 1, 1, true}, Inode{3, 1, 1, true}
	if err := other.Put(theirs, Owner{UID: 1}, 0, "pipe"); err != nil {
		t.Fatal(err)
	}
	table, err := OpenTable(path)
	if err != nil {
		t.Fatal(err)
	}
	defer table.Close()
	for _, n := range []Inode{stays, gone} {
		if err := table.Put(n, Owner{UID: 2}, 0, "pipe"); err != nil {
			t.Fatal(err)
		}
	}
	if table.Mine() != 2 {
		t.Errorf("%d records are this process's", table.Mine())
	}
	if err := table.Forget(map[Inode]bool{stays: true}); err != nil || table.Mine() != 0 {
		t.Errorf("%d are left to look at, %v", table.Mine(), err)
	}
	if err := other.refresh(); err != nil {
		t.Fatal(err)
	}
	for _, at := range []*Table{table, other} {
		_, a := at.Lookup(theirs)
		_, b := at.Lookup(stays)
		_, c := at.Lookup(gone)
		if !a || !b || c {
			t.Errorf("of another process: %v, there: %v, gone: %v", a, b, c)
		}
	}
	if data, err := os.ReadFile(path); err != nil || strings.Contains(strings.TrimLeft(string(data), "\x00"), "3 1 1 1 ") {
		t.Errorf("%q, %v", data, err)
	}
}

// A process that is killed while it shortens the journal loses no record of anybody,
// wherever it has come to.
func TestKilledWhileShortening(t *testing.T) {
	dir := t.TempDir()
	whole := filepath.Join(dir, "whole")
	table, err := OpenTable(whole)
	if err != nil {
		t.Fatal(err)
	}
	defer table.Close()
	want := map[Inode]Owner{}
	for i := range uint32(40) {
		n := Inode{Number: uint64(i), Sec: 7, Born: true}
		want[n] = Owner{UID: i + 1}
		if err := table.Put(n, want[n], 0, "pipe"); err != nil {
			t.Fatal(err)
		}
	}
	before, err := os.ReadFile(whole)
	if err != nil {
		t.Fatal(err)
	}
	if err := table.rewrite(); err != nil {
		t.Fatal(err)
	}
	after, err := os.ReadFile(whole)
	if err != nil {
		t.Fatal(err)
	}
	copy(after, before) // they are a hole at the very end only
	for end := len(before); end <= len(after); end++ {
		path := filepath.Join(dir, "killed")
		if err := os.WriteFile(path, after[:end], 0o600); err != nil {
			t.Fatal(err)
		}
		next, err := OpenTable(path)
		if err != nil {
			t.Fatal(err)
		}
		more := Inode{Number: 99, Sec: 7, Born: true}
		if err := next.Put(more, Owner{UID: 99}, 0, "pipe"); err != nil {
			t.Fatal(err)
		}
		again, err := OpenTable(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, at := range []*Table{next, again} {
			for n, o := range want {
				if got, _ := at.Lookup(n); got != o {
					t.Fatalf("after %d of %d bytes: %v is %+v, want %+v", end-len(before), len(after)-len(before), n, got, o)
				}
			}
			if _, ok := at.Lookup(more); !ok || at.Len() != len(want)+1 {
				t.Fatalf("after %d bytes: %d records", end-len(before), at.Len())
			}
		}
		if err := errors.Join(next.Close(), again.Close()); err != nil {
			t.Fatal(err)
		}
	}
}

// A file of root's that has the number of a lower one of somebody else stays root's.
func TestShortenedDefault(t *testing.T) {
	for range 50 { // the order of a map
		path := filepath.Join(t.TempDir(), "journal")
		table, err := OpenTable(path)
		if err != nil {
			t.Fatal(err)
		}
		lower, upper := Inode{Number: 5}, Inode{5, 1, 1, true}
		for n, o := range map[Inode]Owner{lower: {UID: 33}, {Number: 6}: {UID: 1}} {
			if err := table.Put(n, o, 0, "file"); err != nil {
				t.Fatal(err)
			}
		}
		if err := errors.Join(table.Put(upper, Owner{}, 0, "file"), table.rewrite(), table.Close()); err != nil {
			t.Fatal(err)
		}
		if table, err = OpenTable(path); err != nil {
			t.Fatal(err)
		}
		o, _ := table.Lookup(upper)
		if err := table.Close(); err != nil || o != (Owner{}) {
			t.Fatalf("%+v, %v", o, err)
		}
	}
}
