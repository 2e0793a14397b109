// SPDX-License-Identifier: MPL-2.0

package debfile

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// member is one of a handmade archive; head changes its header.
type member struct {
	name, content string
	head          func(h []byte)
}

// raw makes an archive of members as they are.
func raw(members ...member) []byte {
	b := []byte(arMagic)
	for _, m := range members {
		h := fmt.Appendf(nil, "%-16s%-12d%-6d%-6d%-8s%-10d`\n", m.name, 1234567890, 0, 0, "100644", len(m.content))
		if m.head != nil {
			m.head(h)
		}
		b = append(append(b, h...), m.content...)
		if len(m.content)%2 == 1 {
			b = append(b, '\n')
		}
	}
	return b
}

// packed is what the compression's own program makes of data.
func packed(t *testing.T, ending string, data []byte) string {
	t.Helper()
	program := map[string]string{".bz2": "bzip2", ".lzma": "lzma", ".xz": "xz", ".gz": "gzip", ".zst": "zstd"}[ending]
	if program == "" {
		return string(data)
	}
	cmd := exec.CommandContext(t.Context(), tool(t, program), "-c")
	cmd.Stdin = bytes.NewReader(data)
	out, err := cmd.Output()
	must(t, err)
	return string(out)
}

// archives are packages with one thing out of the ordinary each.
func archives(t *testing.T) map[string][]byte {
	control := tarOf(t, file{"./", ""}, file{"./postinst", "#!/bin/sh\n"}, file{"./control", "Package: a\nVersion: 1\nArchitecture: all\nMaintainer: A <a@b.c>\nDescription: x\n"})
	data := tarOf(t, file{"./", ""}, file{"./usr/", ""}, file{"./usr/a", "hello"}, file{"./usr/b", "-> a"})
	c, d := packed(t, ".gz", control), packed(t, ".xz", data)
	v := member{name: "debian-binary", content: "2.0\n"}
	cm, dm := member{name: "control.tar.gz", content: c}, member{name: "data.tar.xz", content: d}
	size := func(s string) func(h []byte) { return func(h []byte) { copy(h[48:58], fmt.Sprintf("%-10s", s)) } }
	whole := raw(v, cm, dm)
	odd := member{name: "_odd", content: "odd"}
	out := map[string][]byte{
		"plain":                        whole,
		"nothing":                      nil,
		"magic only":                   raw(),
		"version only":                 raw(v),
		"no data":                      raw(v, cm),
		"no control":                   raw(v, dm),
		"data before control":          raw(v, dm, cm),
		"control first":                raw(cm, v, dm),
		"member after data":            raw(v, cm, dm, member{name: "more", content: "x"}),
		"signature after data":         raw(v, cm, dm, member{name: "_gpgorigin", content: "x"}),
		"second data":                  raw(v, cm, dm, member{name: "data.tar", content: "x"}),
		"control after data":           raw(v, cm, dm, cm),
		"second control":               raw(v, cm, cm, dm),
		"garbage after data":           append(bytes.Clone(whole), "garbage"...),
		"half a header after data":     append(bytes.Clone(whole), "more            123"...),
		"too long member after data":   raw(v, cm, dm, member{"more", "x", size("99999")}),
		"many members after data":      raw(append([]member{v, cm, dm}, make([]member, 100)...)...),
		"_ between":                    raw(v, odd, cm, odd, dm),
		"_ first":                      raw(odd, v, cm, dm),
		"empty _":                      raw(v, member{name: "_x"}, cm, dm),
		"foreign between":              raw(v, member{name: "x", content: "y"}, cm, dm),
		"foreign before data":          raw(v, cm, member{name: "x", content: "y"}, dm),
		"nameless between":             raw(v, member{content: "y"}, cm, dm),
		"GNU names":                    raw(member{name: "debian-binary/", content: "2.0\n"}, member{name: "control.tar.gz/", content: c}, member{name: "data.tar.xz/", content: d}),
		"GNU names of _":               raw(v, member{name: "_x/", content: "y"}, cm, dm),
		"two slashes":                  raw(v, member{name: "control.tar.gz//", content: c}, dm),
		"a slash before":               raw(v, member{name: "/control.tar.gz", content: c}, dm),
		"./ before":                    raw(v, member{name: "./control.tar.gz", content: c}, dm),
		"BSD name":                     raw(member{name: "#1/13", content: "debian-binary2.0\n"}, cm, dm),
		"a blank before a name":        raw(member{name: " debian-binary", content: "2.0\n"}, cm, dm),
		"capitals":                     raw(v, member{name: "Control.tar.gz", content: c}, dm),
		"more after control.tar":       raw(v, member{name: "control.tarx", content: c}, dm),
		"more after data.tar":          raw(v, cm, member{name: "data.tar.x.xz", content: d}),
		"data.tar and a dot":           raw(v, cm, member{name: "data.tar.", content: d}),
		"capital ending":               raw(v, cm, member{name: "data.tar.XZ", content: d}),
		"wrong ending of data":         raw(v, cm, member{name: "data.tar.gz", content: d}),
		"wrong ending of control":      raw(v, member{name: "control.tar.xz", content: c}, dm),
		"no ending, but packed":        raw(v, cm, member{name: "data.tar", content: d}),
		"empty data":                   raw(v, cm, member{name: "data.tar.xz"}),
		"empty control":                raw(v, member{name: "control.tar.gz"}, dm),
		"cut data":                     whole[:len(whole)-20],
		"no padding at the end":        bytes.TrimSuffix(raw(v, cm, member{name: "data.tar", content: string(data) + "x"}), []byte("\n")),
		"cut in a header":              whole[:100],
		"cut data of the tar":          raw(v, cm, member{name: "data.tar", content: string(data[:700])}),
		"data.tar without its end":     raw(v, cm, member{name: "data.tar", content: string(data[:len(data)-1024])}),
		"no padding":                   bytes.Replace(raw(v, odd, cm, dm), []byte("odd\n"), []byte("odd"), 1),
		"other padding":                bytes.Replace(raw(v, odd, cm, dm), []byte("odd\n"), []byte("odd\x00"), 1),
		"old thin magic":               append([]byte("!<thin>\n"), whole[8:]...),
		"bad end of a header":          raw(v, member{"control.tar.gz", c, func(h []byte) { h[58] = 'x' }}, dm),
		"size with a blank before":     raw(member{"debian-binary", "2.0\n", size(" 4")}, cm, dm),
		"size with words after":        raw(member{"debian-binary", "2.0\n", size("4 x")}, cm, dm),
		"size with zeros before":       raw(member{"debian-binary", "2.0\n", size("0000000004")}, cm, dm),
		"no size":                      raw(v, member{"_x", "", size("")}, cm, dm),
		"size with a sign":             raw(member{"debian-binary", "2.0\n", size("+4")}, cm, dm),
		"negative size":                raw(member{"debian-binary", "2.0\n", size("-60")}, cm, dm),
		"hexadecimal size":             raw(member{"debian-binary", "2.0\n", size("0x4")}, cm, dm),
		"too large size":               raw(v, member{"control.tar.gz", c, size("9999999999")}, dm),
		"times and owners that are no": raw(member{"debian-binary", "2.0\n", func(h []byte) { copy(h[16:48], strings.Repeat("x", 32)) }}, cm, dm),
	}
	for _, text := range []string{
		"2.0", "2.0\n", "2.1\n", "2.10\n", "2.0\nmore\n", "2.0\n\n", "2.0 \n", " 2.0\n", "2\n", "2.\n", ".0\n", "02.0\n", "2.x\n", "2.0x\n", "2.0.1\n", "3.0\n",
		"1.0\n", "0.93\n", "20.0\n", "", "\n", "two\n", "2.0\r\n", "-2.0\n", "+2.0\n", "2.-1\n", "2.+1\n", "2. 1\n", "2.0\x00\n",
	} {
		out[fmt.Sprintf("version %q", text)] = raw(member{name: "debian-binary", content: text}, cm, dm)
	}
	for _, ending := range []string{"", ".gz", ".xz", ".zst", ".bz2", ".lzma"} {
		cp, dp := packed(t, ending, control), packed(t, ending, data)
		out["control.tar"+ending] = raw(v, member{name: "control.tar" + ending, content: cp}, dm)
		out["data.tar"+ending] = raw(v, cm, member{name: "data.tar" + ending, content: dp})
		if ending != "" {
			half := len(data) / 1024 * 512
			out["two streams of data.tar"+ending] = raw(v, cm, member{name: "data.tar" + ending, content: packed(t, ending, data[:half]) + packed(t, ending, data[half:])})
			out["cut data.tar"+ending] = raw(v, cm, member{name: "data.tar" + ending, content: dp[:len(dp)-9]})
		}
	}
	return out
}

// TestDpkgDeb has dpkg-deb read the same archives: what it takes is taken, and
// has the same in it, and what it refuses is refused.
func TestDpkgDeb(t *testing.T) {
	dpkg := tool(t, "dpkg-deb")
	// Where the two differ on purpose.
	differs := map[string]string{
		"two streams of data.tar.xz":  "dpkg-deb stops after the first",
		"two streams of data.tar.zst": "dpkg-deb stops after the first",
		"two streams of data.tar.bz2": "dpkg-deb stops after the first",
	}
	for name, b := range archives(t) {
		path := filepath.Join(t.TempDir(), "x.deb")
		must(t, os.WriteFile(path, b, 0o600))
		theirs, theirErr := dpkgDeb(t, dpkg, path)
		ours, ourErr := contents(b)
		if why := differs[name]; why != "" {
			if (theirErr == nil) == (ourErr == nil) {
				t.Errorf("%s: is not a difference any more (%s): %v", name, why, ourErr)
			}
			continue
		}
		switch {
		case (theirErr == nil) != (ourErr == nil):
			t.Errorf("%s: dpkg-deb says %v, and here it is %v", name, theirErr, ourErr)
		case theirErr == nil && ours != theirs:
			t.Errorf("%s: got %s, and dpkg-deb has %s", name, ours, theirs)
		}
	}
}

// contents is the control file and the names in data.tar.
func contents(b []byte) (string, error) {
	f, err := OpenDeb(bytes.NewReader(b), int64(len(b)), DefaultLimits())
	if err != nil {
		return "", err
	}
	c, err := f.Control()
	if err != nil {
		return "", err
	}
	list, err := dataOf(f)
	return c.Text + list, err
}

func dpkgDeb(t *testing.T, dpkg, path string) (string, error) {
	t.Helper()
	text, err := exec.CommandContext(t.Context(), dpkg, "--info", path, "control").Output()
	if err != nil {
		return "", reason(err)
	}
	data, err := exec.CommandContext(t.Context(), dpkg, "--fsys-tarfile", path).Output()
	if err != nil {
		return "", reason(err)
	}
	if out, err := exec.CommandContext(t.Context(), dpkg, "--contents", path).CombinedOutput(); err != nil { // tar's word on it
		return "", fmt.Errorf("%w: %s", err, out)
	}
	var b strings.Builder
	b.Write(text)
	for r := tar.NewReader(bytes.NewReader(data)); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return b.String(), nil
		}
		if err != nil {
			return "", err
		}
		content, err := io.ReadAll(r)
		if err != nil {
			return "", err
		}
		b.WriteString(h.Name + "=" + string(content) + h.Linkname + "\n")
	}
}

func reason(err error) error {
	if x := (*exec.ExitError)(nil); errors.As(err, &x) {
		return fmt.Errorf("%w: %s", err, strings.TrimSpace(string(x.Stderr)))
	}
	return err
}
