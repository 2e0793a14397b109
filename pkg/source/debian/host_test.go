// SPDX-License-Identifier: MPL-2.0

package debian

import (
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/carosio/carosbuild/pkg/tooltest"
)

func writeFiles(t testing.TB, root string, files map[string]string) {
	t.Helper()
	for name, text := range files {
		must(t, os.MkdirAll(filepath.Dir(filepath.Join(root, name)), 0o755))
		must(t, os.WriteFile(filepath.Join(root, name), []byte(text), 0o644))
	}
}

func TestReadHost(t *testing.T) {
	const ring = "/usr/share/keyrings/debian-archive-keyring.gpg"
	for _, c := range []struct {
		name  string
		files map[string]string
		env   map[string]string
		want  Host
	}{
		{"nothing", nil, nil, Host{}},
		{
			"one-line format",
			map[string]string{"etc/apt/sources.list": "# a comment\n" +
				"deb-src http://src.example/debian bookworm main\n" +
				"deb cdrom:[Debian]/ bookworm main\n" +
				"deb http://mirror.example/debian/ bookworm main contrib # end\n" +
				"deb\thttp://other.example/debian bookworm main\n" +
				"deb [arch=amd64 signed-by=" + ring + "] http://sec.example/x bookworm-security main\n"},
			nil,
			Host{Mirror: "http://mirror.example/debian", SecurityMirror: "http://sec.example/x", Keyrings: []string{ring}},
		},
		{
			"deb822 format",
			map[string]string{"etc/apt/sources.list.d/debian.sources": "Types: deb deb-src\n# comment\nURIs: https://a.example/x/debian\n" +
				"Suites: trixie trixie-updates\nComponents: main\nSigned-By: " + ring + "\n\n" +
				"Types: deb\nURIs: https://a.example/debian-security/\nSuites: trixie-security\nComponents: main\n\n" +
				"Types: deb\nEnabled: no\nURIs: https://b.example/debian\nSuites: trixie\nComponents: main\n"},
			nil,
			Host{Mirror: "https://a.example/x/debian", SecurityMirror: "https://a.example/debian-security", Keyrings: []string{ring}},
		},
		{"only other projects", map[string]string{"etc/apt/sources.list": "deb https://packages.example/debian/12/prod bookworm main\n" +
			"deb [signed-by=/usr/share/keyrings/x.gpg] https://x.example/debian bookworm main\n" +
			"deb https://apt.example/debian bookworm-pgdg main\n" +
			"deb http://archive.example/ubuntu jammy main\n" +
			"deb https://d.example/debian bookworm stable\n" +
			"deb [signed-by=/usr/share/keyrings/x.gpg] https://x.example/ubuntu noble-security main\n" +
			"deb https://d.example/debian nodistro main\n"}, nil, Host{UbuntuMirror: "http://archive.example/ubuntu"}},
		{
			"snapshots of a mirror",
			map[string]string{"etc/apt/sources.list": "deb http://s.example/archive/debian/20250520T000000Z bookworm main\n" +
				"deb http://s.example/archive/debian-security/20250520T000000Z bookworm-security main\n"},
			nil,
			Host{Mirror: "http://s.example/archive/debian/20250520T000000Z", SecurityMirror: "http://s.example/archive/debian-security/20250520T000000Z"},
		},
		{"ignored file names", map[string]string{"etc/apt/sources.list.d/x.list.save": "deb http://mirror.example/debian bookworm main\n"}, nil, Host{}},
		{
			"options",
			map[string]string{
				"etc/apt/apt.conf.d/01a":         "Acquire::http::Proxy \"http://first.example:1\";\n// x\n/* y */\n# z\n",
				"etc/apt/apt.conf.d/02b.conf":    "Acquire { http { Proxy \"http://p.example:3142\"; Proxy::direct.example \"DIRECT\"; }; Check-Valid-Until \"false\"; Languages { \"none\"; }; };\nAcquire::Check-Date no;",
				"etc/apt/apt.conf.d/03c.bak":     "Acquire::http::Proxy \"http://bak.example\";",
				"etc/apt/apt.conf":               "acquire::HTTPS::proxy \"DIRECT\";\n#clear APT::X;\n",
				"etc/apt/apt.conf.d/dir/ignored": "",
			},
			map[string]string{"http_proxy": "http://env.example", "no_proxy": " localhost, .corp.example"},
			Host{HTTPProxy: "http://p.example:3142", NoProxy: []string{".corp.example", "direct.example", "localhost"}, IgnoreValidUntil: true, IgnoreDate: true},
		},
		{
			"environment",
			map[string]string{"etc/apt/sources.list": "deb http://mirror.example/debian bookworm main\n", ring[1:]: ""},
			map[string]string{EnvMirror: "http://e.example/{snapshot}", EnvSecurityMirror: "none", "https_proxy": "http://s.example"},
			Host{Mirror: "http://e.example/{snapshot}", SecurityMirror: "none", HTTPSProxy: "http://s.example", Keyrings: []string{ring}},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			root := t.TempDir()
			writeFiles(t, root, c.files)
			got, err := ReadHost(root, func(n string) string { return c.env[n] })
			must(t, err)
			for i, k := range c.want.Keyrings {
				c.want.Keyrings[i] = filepath.Join(root, k)
			}
			if diff := cmp.Diff(got, c.want, cmpopts.IgnoreUnexported(Host{})); diff != "" {
				t.Errorf("host (got, want):\n%s", diff)
			}
		})
	}
}

func TestReadHostFaults(t *testing.T) {
	for name, text := range map[string]string{
		"etc/apt/sources.list":             "deb [arch=amd64 http://x main\n",
		"etc/apt/sources.list.d/a.list":    "deb http://x\n",
		"etc/apt/sources.list.d/a.sources": " continuation\n",
		"etc/apt/apt.conf.d/1":             "A { B \"x\";",
		"etc/apt/apt.conf.d/2":             "A \"x;",
		"etc/apt/apt.conf":                 "}",
	} {
		root := t.TempDir()
		writeFiles(t, root, map[string]string{name: text})
		_, err := ReadHost(root, func(string) string { return "" })
		if err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: got %v, want an error that names the file", name, err)
		}
	}
}

func TestProxy(t *testing.T) {
	h := Host{HTTPProxy: "p.example:3142", NoProxy: []string{"direct.example", ".corp.example"}}
	for address, want := range map[string]string{
		"http://a.example/x":       "http://p.example:3142",
		"https://a.example/x":      "",
		"http://direct.example/":   "",
		"http://a.corp.example/":   "",
		"http://notdirect.example": "http://p.example:3142",
	} {
		q, err := http.NewRequest(http.MethodGet, address, nil)
		must(t, err)
		u, err := h.proxy(q)
		must(t, err)
		got := ""
		if u != nil {
			got = u.String()
		}
		if got != want {
			t.Errorf("%s: got proxy %q, want %q", address, got, want)
		}
	}
}

func TestMirrors(t *testing.T) {
	host := Host{Mirror: "http://h.example/debian", SecurityMirror: "http://h.example/sec"}
	for _, c := range []struct {
		name string
		b    Bootstrap
		h    Host
		want string // address, public address of each suite; or the error
	}{
		{"host's", Bootstrap{Suite: "bookworm"}, host, "bookworm http://h.example/debian " + DefaultMirror +
			"; bookworm-updates http://h.example/debian " + DefaultMirror + "; bookworm-security http://h.example/sec " + DefaultSecurityMirror},
		{"last default", Bootstrap{Suite: "sid"}, Host{}, "sid " + DefaultMirror + " " + DefaultMirror},
		{"declared", Bootstrap{Suite: "sid", Mirror: "http://d.example/"}, host, "sid http://d.example http://d.example"},
		{
			"old security suite",
			Bootstrap{Suite: "buster", Mirror: "http://d.example", SecurityMirror: "http://d.example/s"},
			host,
			"buster http://d.example http://d.example; buster-updates http://d.example http://d.example; buster/updates http://d.example/s http://d.example/s",
		},
		{
			"none by environment",
			Bootstrap{Suite: "bookworm", Mirror: "http://d.example"},
			Host{SecurityMirror: NoMirror},
			"bookworm http://d.example http://d.example; bookworm-updates http://d.example http://d.example",
		},
		{"snapshot without a mirror", Bootstrap{Suite: "sid", Snapshot: "20250520T000000Z"}, host, `snapshot "20250520T000000Z" needs a mirror with {snapshot} in its address`},
		{"snapshot without template", Bootstrap{Suite: "sid", Snapshot: "20250520T000000Z", Mirror: "http://d.example"}, host, "has no {snapshot}"},
		{"template without snapshot", Bootstrap{Suite: "sid", Mirror: "http://d.example/{snapshot}"}, host, "there is no snapshot"},
		{
			"snapshot by environment",
			Bootstrap{Suite: "sid", Snapshot: "20250520T000000Z"},
			Host{Mirror: "http://s.example/{snapshot}/debian"},
			"sid http://s.example/20250520T000000Z/debian " + DefaultMirror,
		},
	} {
		list, err := c.b.archives(c.h)
		var words []string
		for _, a := range list {
			words = append(words, a.Suite+" "+a.URL+" "+a.Public)
		}
		if err != nil {
			words = []string{err.Error()}
		}
		if got := strings.Join(words, "; "); got != c.want && (err == nil || !strings.Contains(got, c.want)) {
			t.Errorf("%s:\ngot  %s\nwant %s", c.name, got, c.want)
		}
	}
	for _, m := range []string{"ftp://x/debian", "file://srv/x", "http://u:secret@x/debian", "http://u@x/debian", "http://", "http://x/a b", "none", "http://x/\n"} {
		if err := (Bootstrap{Suite: "sid", Mirror: m}).Check(); err == nil {
			t.Errorf("mirror %q: want an error", m)
		}
	}
}

// apt reads the files that stages get.
func TestAptFiles(t *testing.T) {
	config := tooltest.Find(t, "apt-config")
	b := Bootstrap{Suite: "sid", Snapshot: "20250520T000000Z", Mirror: "http://d.example/{snapshot}"}
	step, err := b.AptFiles(Host{HTTPProxy: "http://p.example:3142", IgnoreDate: true, NoProxy: []string{"direct.example", "bad\"one"}}, nil, "")
	must(t, err)
	if got, want := step.Files[RunDir+"/sources.list"], "deb [check-valid-until=no] http://d.example/20250520T000000Z sid main\n"; got != want {
		t.Errorf("sources: got %q, want %q", got, want)
	}
	name := filepath.Join(t.TempDir(), "apt.conf")
	alone := "Dir::Etc::parts \"/nonexistent\";\nDir::Etc::main \"/nonexistent\";\n"
	must(t, os.WriteFile(name, []byte(alone+step.Files[AptConfig]), 0o644))
	for option, want := range map[string]string{
		"Dir::Etc::sourcelist":                 RunDir + "/sources.list",
		"Acquire::http::Proxy":                 "http://p.example:3142",
		"Acquire::http::Proxy::direct.example": "DIRECT",
		"Acquire::Check-Valid-Until":           "false",
		"Acquire::Check-Date":                  "false",
	} {
		cmd := exec.Command(config, "shell", "X", option)
		cmd.Env = []string{"APT_CONFIG=" + name}
		out, err := cmd.Output()
		if got := strings.TrimSpace(string(out)); err != nil || got != "X='"+want+"'" {
			t.Errorf("%s: got %s, %v; want %s", option, got, err, want)
		}
	}
	if _, err := b.AptFiles(Host{HTTPProxy: "http://x\"; Evil \"y"}, nil, ""); err == nil {
		t.Error("quote in a proxy: want an error")
	}
}
