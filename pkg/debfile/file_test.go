// SPDX-License-Identifier: MPL-2.0

package debfile

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func dataOf(f *File) (string, error) {
	var b strings.Builder
	err := f.Data(func(h *tar.Header, r io.Reader) error {
		content, err := io.ReadAll(r)
		b.WriteString(h.Name + "=" + string(content) + h.Linkname + "\n")
		return err
	})
	return b.String(), err
}

func TestOpen(t *testing.T) {
	for _, c := range []struct {
		name string
		make func(e, control, data string) []byte
	}{
		{"deb", func(e, c, d string) []byte {
			return ar("debian-binary", "2.0\n", "control.tar"+e, c, "data.tar"+e, d)
		}},
		{"opkg-build's order", func(e, c, d string) []byte {
			return ar("debian-binary", "2.0\n", "data.tar"+e, d, "control.tar"+e, c)
		}},
		{"GNU ar's names", func(e, c, d string) []byte {
			return ar("debian-binary/", "2.0\n", "control.tar"+e+"/", c, "data.tar"+e+"/", d, "_gpgorigin", "x")
		}},
		{"old ipk", func(e, c, d string) []byte {
			return oldIpk(t, "debian-binary", "2.0\n", "data.tar"+e, d, "control.tar"+e, c)
		}},
	} {
		for _, ending := range []string{"", ".gz", ".xz", ".zst"} {
			control, data := sample(t, ending, ending)
			b := c.make(ending, control, data)
			f, err := openBytes(b)
			if err != nil {
				t.Errorf("%s%s: %v", c.name, ending, err)
				continue
			}
			got, err := f.Control()
			if err != nil {
				t.Errorf("%s%s: %v", c.name, ending, err)
				continue
			}
			if got.Text != controlText || len(got.Scripts) != 1 || got.Scripts[0].Name != "postinst" {
				t.Errorf("%s%s: got %+v", c.name, ending, got)
			}
			const want = "./=\n./usr/bin/a=hello\n./usr/bin/b=a\n"
			if got, err := dataOf(f); err != nil || got != want {
				t.Errorf("%s%s: got %q, error %v, want %q", c.name, ending, got, err, want)
			}
		}
	}
}

func TestOpenFaults(t *testing.T) {
	control, data := sample(t, "", "")
	ok := ar("debian-binary", "2.0\n", "control.tar", control, "data.tar", data)
	many := []string{"debian-binary", "2.0\n", "control.tar", control}
	for range arMembers {
		many = append(many, "_x", "")
	}
	for _, c := range []struct {
		name string
		data []byte
		want string
	}{
		{"nothing", nil, "not an ar archive"},
		{"a script", []byte("#!/bin/sh\n"), "not an ar archive"},
		{"no members", []byte(arMagic), "lacks a control.tar"},
		{"no version", ar("control.tar", control, "data.tar", data), "lacks a debian-binary"},
		{"format 3", ar("debian-binary", "3.0\n", "control.tar", control, "data.tar", data), "format 2"},
		{"empty version", ar("debian-binary", "", "control.tar", control, "data.tar", data), "format 2"},
		{"two data members", ar("debian-binary", "2.0\n", "data.tar", "", "data.tar.xz", "", "control.tar", ""), "not expected"},
		{"two control members", ar("debian-binary", "2.0\n", "control.tar", "", "control.tar", "", "data.tar.xz", ""), "not expected"},
		{"foreign member", ar("debian-binary", "2.0\n", "evil", ""), "not expected"},
		{"path as member", ar("debian-binary", "2.0\n", "../data.tar", ""), "not expected"},
		{"too many members", ar(many...), "more than 64"},
		{"truncated", ok[:len(ok)-9], "truncated"},
		{"cut in a header", ok[:100], "malformed"},
		{"negative size", bytes.Replace(ok, []byte("4         `"), []byte("-60       `"), 1), "size"},
		{"huge size", bytes.Replace(ok, []byte("4         `"), []byte("9999999999`"), 1), "truncated"},
		{"old ipk, link", pack(t, ".gz", tarOf(t, file{"./control.tar.gz", "-> /etc/passwd"})), "not expected"},
		{"old ipk, cut", oldIpk(t, "debian-binary", "2.0\n", "control.tar", control)[:40], "EOF"},
	} {
		if _, err := openBytes(c.data); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want an error with %q", c.name, err, c.want)
		}
	}
	if _, err := openBytes(ok); err != nil {
		t.Errorf("what the faults are made of: %v", err)
	}
}

func TestControlFaults(t *testing.T) {
	const rest = "Version: 1\nArchitecture: all\n"
	for _, c := range []struct {
		name  string
		files []file
		want  string
	}{
		{"empty", nil, "no control file"},
		{"two paragraphs", []file{{"control", "Package: a\n" + rest + "\nPackage: b\n"}}, "want one paragraph"},
		{"field twice", []file{{"control", "Package: a\n" + rest + "package: b\n"}}, "given twice"},
		{"many fields", []file{{"control", "Package: a\n" + rest + lines(1500)}}, "more than 1000 fields"},
		{"no version", []file{{"control", "Package: a\nArchitecture: all\n"}}, "field Version"},
		{"climbing package", []file{{"control", "Package: ../a\n" + rest}}, "field Package"},
		{"version with a newline", []file{{"control", "Package: a\nVersion: 1\n Filename: /etc/shadow\nArchitecture: all\n"}}, "field Version"},
		{"version with a slash", []file{{"control", "Package: a\nVersion: 1/2\nArchitecture: all\n"}}, "field Version"},
		{"architecture with a blank", []file{{"control", "Package: a\nVersion: 1\nArchitecture: a b\n"}}, "field Architecture"},
		{"climbing member", []file{{"../../x", "x"}}, "not allowed"},
		{"subdirectory", []file{{"./x/y", "x"}}, "not allowed"},
		{"link", []file{{"./postinst", "-> /bin/sh"}}, "not allowed"},
		{"twice", []file{{"control", controlText}, {"./control", controlText}}, "not allowed"},
	} {
		f, err := openBytes(ar("debian-binary", "2.0\n", "control.tar", string(tarOf(t, c.files...)), "data.tar", ""))
		must(t, err)
		if _, err := f.Control(); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want an error with %q", c.name, err, c.want)
		}
	}
}

func lines(n int) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(strings.Repeat("x", i%50+1) + strings.Repeat("y", i/50) + ": 1\n")
	}
	return b.String()
}

func TestDataFaults(t *testing.T) {
	for _, name := range []string{"../x", "./usr/../../x", "a/.."} {
		f, err := openBytes(ar("debian-binary", "2.0\n", "control.tar", "", "data.tar", string(tarOf(t, file{name, "x"}))))
		must(t, err)
		if _, err := dataOf(f); err == nil || !strings.Contains(err.Error(), "climbs") {
			t.Errorf("%s: got %v, want an error that it climbs", name, err)
		}
	}
	packed := pack(t, ".gz", tarOf(t, file{"x", "content"}))
	for what, b := range map[string][]byte{"cut short": packed[:len(packed)-3], "sum wrong": append(bytes.Clone(packed[:len(packed)-8]), 1, 2, 3, 4, 0, 8, 0, 0)} {
		f, err := openBytes(ar("debian-binary", "2.0\n", "control.tar", "", "data.tar.gz", string(b)))
		must(t, err)
		if _, err := dataOf(f); err == nil {
			t.Errorf("%s: read without an error", what)
		}
	}
}

// Small packages that claim to be large ones end at the limits.
func TestLimits(t *testing.T) {
	bomb := tarOf(t, file{"./control", controlText}, file{"./big", strings.Repeat("\x00", 1<<20)})
	var many []file
	for range 100 {
		many = append(many, file{"./" + strings.Repeat("n", 90), ""})
	}
	for _, c := range []struct {
		name          string
		control, data []byte
		limits        Limits
	}{
		{"control", bomb, nil, Limits{Control: 1 << 19, Unpacked: 1 << 30, Entries: 1000, Names: 1 << 20}},
		{"data", nil, bomb, Limits{Control: 1 << 30, Unpacked: 1 << 19, Entries: 1000, Names: 1 << 20}},
		{"entries", nil, tarOf(t, many...), Limits{Control: 1 << 30, Unpacked: 1 << 30, Entries: 99, Names: 1 << 20}},
		{"names", nil, tarOf(t, many...), Limits{Control: 1 << 30, Unpacked: 1 << 30, Entries: 1000, Names: 9000}},
	} {
		for _, ending := range []string{".gz", ".xz", ".zst"} {
			b := ar("debian-binary", "2.0\n", "control.tar"+ending, string(pack(t, ending, c.control)), "data.tar"+ending, string(pack(t, ending, c.data)))
			f, err := Open(bytes.NewReader(b), int64(len(b)), c.limits)
			must(t, err)
			_, err = f.Control()
			if c.control == nil {
				_, err = dataOf(f)
			}
			if !errors.Is(err, ErrLimit) {
				t.Errorf("%s%s: got %v, want ErrLimit", c.name, ending, err)
			}
		}
	}
	old := oldIpk(t, "debian-binary", "2.0\n", "control.tar", string(bomb), "data.tar", "")
	if _, err := Open(bytes.NewReader(old), int64(len(old)), Limits{Control: 1 << 30, Unpacked: 1 << 19, Entries: 9, Names: 999}); !errors.Is(err, ErrLimit) {
		t.Errorf("old ipk: got %v, want ErrLimit", err)
	}
}

func TestStanzas(t *testing.T) {
	got, err := ParseStanzas("A: 1\n 2\n# c\nB:\t3\r\n\n\nC: 4")
	want := []Stanza{{{"A", "1\n 2"}, {"B", "3"}}, {{"C", "4"}}}
	if err != nil || !cmp.Equal(got, want) {
		t.Errorf("got %v, error %v, want %v", got, err, want)
	}
}
