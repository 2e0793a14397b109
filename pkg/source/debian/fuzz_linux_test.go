// SPDX-License-Identifier: MPL-2.0

package debian

import (
	"strings"
	"testing"

	"github.com/carosio/carosbuild/pkg/source/debian/field"
	"github.com/carosio/carosbuild/pkg/source/debian/signed"
)

func FuzzRelease(f *testing.F) {
	f.Add("Suite: sid\nDate: Sat, 21 Nov 2026 00:53:02 UTC\nSHA256:\n " + strings.Repeat("a", 64) + " 12 main/binary-amd64/Packages.xz\n")
	f.Fuzz(func(t *testing.T, text string) {
		r, err := parseRelease(text)
		if err != nil {
			return
		}
		_ = r.check(archive{Suite: "sid"}, Bootstrap{Suite: "sid", Arch: "amd64"}, true, true, testNow)
		if _, packed, plain, err := r.index("main", "amd64"); err == nil && !(field.IsSum(packed.Sum) && (plain.Sum == "" || field.IsSum(plain.Sum))) {
			t.Errorf("index with hashes %q, %q", packed.Sum, plain.Sum)
		}
	})
}

func FuzzSources(f *testing.F) {
	f.Add("deb [arch=amd64 signed-by=/x] http://a/debian bookworm main # c\n")
	f.Add("Types: deb\nURIs: http://a/debian\nSuites: sid\nComponents: main\nSigned-By:\n -----BEGIN\n .\n")
	f.Fuzz(func(t *testing.T, text string) {
		one, _ := parseOneLine(text)
		two, _ := parseDeb822(text)
		for _, e := range append(one, two...) {
			if e.isOf(distributions()[0]) && func() bool { a, _ := splitLogin(e.URI); return checkMirror(a) != nil }() {
				t.Errorf("taken: %q", e.URI)
			}
		}
	})
}

func FuzzAptConf(f *testing.F) {
	f.Add("A::b \"c\"; D { e { f \"g\"; }; /* h */ }; // i\n#clear x;\n")
	f.Fuzz(func(_ *testing.T, text string) {
		_ = parseAptConf(aptConf{}, text)
	})
}

// FuzzClearsigned changes a signed message: an accepted text is the one that was
// signed.
func FuzzClearsigned(f *testing.F) {
	key := newKey(f, 0)
	const want = "Suite: sid\n- x"
	f.Add(sign(f, want+"\n", key))
	f.Fuzz(func(t *testing.T, message []byte) {
		text, err := signed.VerifyClearsigned(message, []*entity{key}, testNow)
		if err != nil {
			return
		}
		lines := strings.Split(text, "\n")
		for i := range lines {
			lines[i] = strings.TrimRight(lines[i], " \t\r")
		}
		if got := strings.TrimRight(strings.Join(lines, "\n"), "\n"); got != want {
			t.Errorf("accepted %q", text)
		}
	})
}
