// SPDX-License-Identifier: MPL-2.0

package record

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestFormat(t *testing.T) {
	for _, tt := range []struct {
		o    Owner
		perm uint32
		kind string
		want string
	}{
		{Owner{UID: 33, GID: 44}, 0o100644, "file", "33:44:0644:file"},
		{Owner{GID: 5}, 0o4755, "dir", "0:5:4755:dir"},
		{Owner{UID: 4294967294, Kind: Char, Major: 5, Minor: 1}, 0o620, "file", "4294967294:0:0620:char-5-1"},
		{Owner{Kind: Block, Major: 8, Minor: 300}, 0, "file", "0:0:0000:block-8-300"},
	} {
		got := tt.o.Format(tt.perm, tt.kind)
		back, err := Parse(got)
		if got != tt.want || back != tt.o || err != nil {
			t.Errorf("%+v is %q, and that %+v, %v; want %q", tt.o, got, back, err, tt.want)
		}
	}
	for _, bad := range []string{"", "0:0:0644", "0:0:104755", "a:0:0644:file", "0:-1:0644:file", "0:0:9:file", "0:0:0644:char-5", "0:0:0644:pipe-1-2", "0:0:0644:char-5-1-2", "4294967296:0:0644:file"} {
		if o, err := Parse(bad); err == nil {
			t.Errorf("%q is %+v", bad, o)
		}
	}
}

func TestPrivate(t *testing.T) {
	for name, want := range map[string]string{
		"user.x": "user.x", "security.capability": "security.capability", FakePrefix + "trusted.x": "trusted.x",
		Attr: "", "user.overlay.opaque": "", "trusted.overlay.redirect": "", "user.fuseoverlayfs.override_stat": "",
	} {
		if got, ok := Shown(name); ok != (want != "") || ok && got != want {
			t.Errorf("%s is shown as %q, %v", name, got, ok)
		}
	}
}

func TestTable(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal")
	open := func() *Table {
		t.Helper()
		table, err := OpenTable(path)
		if err != nil {
			t.Fatal(err)
		}
		return table
	}
	born, lower, web := Inode{7, 100, 5, true}, Inode{Number: 9}, Owner{UID: 33, GID: 44}
	table := open()
	for _, err := range []error{
		table.Put(born, web, 0o777, "symlink"), table.Put(lower, Owner{UID: 1}, 0o644, "pipe"),
		table.Put(born, web, 0o777, "symlink"), table.Put(born, Owner{}, 0o777, "symlink"), table.Close(),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	data, err := os.ReadFile(path)
	if want := "7 100 5 1 33:44:0777:symlink\n9 0 0 0 1:0:0644:pipe\n7 100 5 1 0:0:0777:symlink\n"; err != nil || string(data) != want {
		t.Errorf("journal, %v:\n%s", err, cmp.Diff(string(data), want))
	}
	// A crash cuts the last line short.
	if err := os.WriteFile(path, append(data, "7 100 5 1 8:8"...), 0o600); err != nil {
		t.Fatal(err)
	}
	table = open()
	for n, want := range map[Inode]Owner{lower: {UID: 1}, {9, 3, 3, true}: {UID: 1}} {
		if got, ok := table.Lookup(n); !ok || got != want {
			t.Errorf("%+v is %+v, %v", n, got, ok)
		}
	}
	for _, n := range []Inode{born, {7, 100, 6, true}, {Number: 7}, {Number: 8}} {
		if got, ok := table.Lookup(n); ok {
			t.Errorf("%+v, which is another file, is %+v", n, got)
		}
	}
	if err := table.Put(Inode{Number: 1}, web, 0, "socket"); err != nil {
		t.Fatal(err)
	}
	if err := table.Close(); err != nil {
		t.Fatal(err)
	}
	if table = open(); table.Len() != 2 {
		t.Errorf("%d records", table.Len())
	}
	table.Close()
	if err := os.WriteFile(path, []byte("nonsense\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenTable(path); err == nil || !strings.Contains(err.Error(), "nonsense") {
		t.Errorf("a journal of something else: %v", err)
	}
}

func TestACL(t *testing.T) {
	const head, user0, rest = "\x02\x00\x00\x00\x01\x00\x06\x00\xff\xff\xff\xff", "\x02\x00\x07\x00\x00\x00\x00\x00", "\x10\x00\x05\x00\xff\xff\xff\xff"
	set := head + "\x02\x00\x06\x00\x21\x00\x00\x00" + rest
	mapped, foreign := MappedACL([]byte(set))
	if string(mapped) != head+"\x02\x00\x06\x00\x00\x00\x00\x00"+rest || !foreign {
		t.Errorf("%x, %v", mapped, foreign)
	}
	if _, foreign := MappedACL([]byte(head + user0 + rest)); foreign {
		t.Error("a list of root's is said to be foreign")
	}
	// Its permissions have changed meanwhile.
	if got := NamedACL([]byte(head+user0+rest), []byte(set)); string(got) != head+"\x02\x00\x07\x00\x21\x00\x00\x00"+rest {
		t.Errorf("named: %x", got)
	}
	if got := NamedACL([]byte(head+user0+user0+rest), []byte(set)); string(got) != head+user0+user0+rest {
		t.Errorf("of another length: %x", got)
	}
	for _, odd := range []string{"", "\x02", head[:9], "\x03\x00\x00\x00" + user0} {
		if mapped, foreign := MappedACL([]byte(odd)); string(mapped) != odd || foreign {
			t.Errorf("%x became %x, %v", odd, mapped, foreign)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"33:44:0644:file", "0:0:0620:char-5-1", "0:0:0644:block-8-", ":::", "1:2:3:dir"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		o, err := Parse(s)
		if err != nil {
			return
		}
		if back, err := Parse(o.Format(0o644, "file")); back != o || err != nil {
			t.Errorf("%q is %+v, and written again %+v, %v", s, o, back, err)
		}
	})
}
