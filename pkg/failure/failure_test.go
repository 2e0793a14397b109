// SPDX-License-Identifier: MPL-2.0

package failure

import (
	"encoding/json"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/carosio/carosbuild/pkg/oci"
	"github.com/carosio/carosbuild/pkg/plan"
	"github.com/carosio/carosbuild/pkg/source/debian"
)

// failed is a record that has all there can be.
func failed() Record {
	epoch := int64(1500000000)
	return Record{
		Build: "2026-11-30-me", Stage: "020-Caros", Step: 2, Steps: 5, Kind: "BITBAKE", Text: "make\n\tall", File: "a.xml", Line: 17, Column: 3, Status: 7,
		Log: "one\n\x1b[31mtwo\n",
		World: World{
			Network: "host", Epoch: &epoch, GitLayers: true, User: "build", Caches: []plan.Cache{{Path: "/c", ID: "x", Shared: true}, {Path: "/d"}},
			Apt: &plan.Apt{Bootstrap: debian.Bootstrap{Suite: "bookworm", Mirror: "http://deb.example.org/debian", SecurityMirror: "none"}, Without: []string{"bookworm-updates"}},
		},
	}
}

// marked is the configuration of an image with a record, through JSON as it travels.
func marked(t *testing.T, r Record) *oci.Config {
	t.Helper()
	c := oci.NewConfig("amd64")
	c.Config.Labels = map[string]string{"mine": "stays", Prefix + "of-an-older-one": "goes"}
	if err := r.Mark(&c); err != nil {
		t.Fatal(err)
	}
	data, err := json.Marshal(c.ConfigFile)
	if err != nil {
		t.Fatal(err)
	}
	back, err := oci.ParseConfig(data)
	if err != nil {
		t.Fatal(err)
	}
	return &back
}

func TestRecordComesBack(t *testing.T) {
	full := failed()
	for name, r := range map[string]Record{"full": full, "least": {Build: "b", Stage: "s", Step: 1, Steps: 1, Kind: "RUN", Text: "false", Status: 1}} {
		c := marked(t, r)
		got, ok, err := Read(c)
		if err != nil || !ok {
			t.Fatalf("%s: %v, %v", name, ok, err)
		}
		if diff := cmp.Diff(got, &r); diff != "" {
			t.Errorf("%s (-got +want):\n%s", name, diff)
		}
		if _, ok := c.Config.Labels[Prefix+"of-an-older-one"]; ok || c.Config.Labels["mine"] != "stays" {
			t.Errorf("%s: labels %v", name, c.Config.Labels)
		}
		if Clear(c); !maps.Equal(c.Config.Labels, map[string]string{"mine": "stays"}) || Marked(c) {
			t.Errorf("%s: labels are left: %v", name, c.Config.Labels)
		}
		if r, ok, err := Read(c); r != nil || ok || err != nil {
			t.Errorf("%s: without labels: %v, %v, %v", name, r, ok, err)
		}
	}
	job := full.Job()
	if do, ok := job.Steps[0].Action.(*plan.Bitbake); !ok || do.User != "build" || job.Check() != nil || !job.GitLayers || job.Network != "host" || len(job.Caches) != 2 {
		t.Errorf("the job is %+v", job)
	}
}

// Nothing of the machine is noted, and no more than the limits allow.
func TestNothingOfTheMachine(t *testing.T) {
	host := &debian.Host{HTTPProxy: "http://proxy.secret:3128", Mirror: "file:///srv/secret"}
	job := &plan.Job{
		ID: "s", Steps: []plan.Step{{Action: &plan.Run{}}},
		Apt: &plan.Apt{Host: host, Bootstrap: debian.Bootstrap{Suite: "bookworm", Keyring: "/home/secret/key", Mirror: "file:///home/secret", SecurityMirror: "http://me:secret@example.org/"}},
	}
	r := Record{
		Build: "b", Stage: "s", Step: 1, Steps: 1, Kind: "RUN", Status: 1, File: "/home/secret/project/a.xml", World: WorldOf(job, 0),
		Text: Redact("curl https://me:secret@example.org/x"), Log: Redact(strings.Repeat("0123456789\n", 1e4)+"via http://secret:1/ and ftp://me:secret@x\n", "http://secret:1/"),
	}
	c := marked(t, r)
	c.AddHistory("RUN wget https://me:sec@secret@example.org/", time.Time{}, false)
	if err := r.Mark(c); err != nil {
		t.Fatal(err)
	}
	data, err := json.Marshal(c.ConfigFile)
	if err != nil || strings.Contains(string(data), "secret") {
		t.Errorf("%v, noted: %.3000s", err, data[max(0, len(data)-2000):])
	}
	got, _, err := Read(c)
	if err != nil {
		t.Fatal(err)
	}
	if n := len(got.Log); n > mostLog || n < mostLog-100 || !strings.HasPrefix(got.Log, "0123456789\n") || !strings.HasSuffix(got.Log, "via *** and ftp://***@x\n") {
		t.Errorf("a log of %d bytes: %q ... %q", n, got.Log[:20], got.Log[n-40:])
	}
	if got.File != "a.xml" || got.Text != "curl https://***@example.org/x" || got.Apt.Bootstrap.Suite != "bookworm" {
		t.Errorf("read: %+v", got)
	}
}

// What a command prints may be anything; it is read all the same.
func TestBinaryOutput(t *testing.T) {
	for _, log := range []string{strings.Repeat("\xff\x00", mostLog), strings.Repeat("\xff\x00", mostLog/3), strings.Repeat("\xff\n", mostLog), strings.Repeat("ä", mostLog), "\n", "\xff"} {
		r := failed()
		r.Log, r.Text, r.File = log, log, log
		got, _, err := Read(marked(t, r))
		if err != nil {
			t.Errorf("%.20q: %v", log, err)
		} else if len(log) > mostLog && len(got.Log) < mostLog/2 {
			t.Errorf("%.20q: %d bytes are left", log, len(got.Log))
		}
	}
}

// A record that somebody else has made up is refused.
func TestHostileRecords(t *testing.T) {
	for name, tt := range map[string]struct{ label, value string }{
		"format":            {"format", "2"},
		"no format's end":   {"format", "1\n"},
		"stage":             {"stage", "../../etc"},
		"stage of a line":   {"stage", "s\n::error::x"},
		"build":             {"build", "b/../c"},
		"step":              {"step", "3/2"},
		"step below 1":      {"step", "0/2"},
		"a huge step":       {"step", "99999999999999999999/99999999999999999999"},
		"line":              {"line", "-1:3"},
		"status":            {"status", "0"},
		"a huge status":     {"status", "256"},
		"kind":              {"kind", "FROM"},
		"network":           {"network", "closed"},
		"epoch":             {"epoch", "-1"},
		"command":           {"command", strings.Repeat("x", mostText+1)},
		"log":               {"log", strings.Repeat("x", mostLog+1)},
		"user":              {"bitbake-user", "a\x00b"},
		"a long file":       {"file", strings.Repeat("x", mostName+1)},
		"caches":            {"caches", `{"path":"/x"}`},
		"huge caches":       {"caches", "[" + strings.Repeat(" ", mostList) + "]"},
		"many caches":       {"caches", "[" + strings.Repeat(`{"path":"/x"},`, mostCaches) + `{"path":"/y"}]`},
		"root":              {"caches", `[{"path":"/"}]`},
		"above the root":    {"caches", `[{"path":"/../../home"}]`},
		"relative":          {"caches", `[{"path":"x"}]`},
		"proc":              {"caches", `[{"path":"/proc/self"}]`},
		"dev":               {"caches", `[{"path":"//dev/"}]`},
		"our own files":     {"caches", `[{"path":"/run/carosbuild"}]`},
		"a place twice":     {"caches", `[{"path":"/x"},{"path":"/x/"}]`},
		"a place of a line": {"caches", `[{"path":"/x\ny"}]`},
		"files":             {"apt", `{"bootstrap":{"suite":"bookworm","mirror":"file:///home"}}`},
		"more files":        {"apt", `{"bootstrap":{"suite":"bookworm","security_mirror":"file:///home"}}`},
		"a login":           {"apt", `{"bootstrap":{"suite":"bookworm","mirror":"http://a:b@c/"}}`},
		"a keyring":         {"apt", `{"bootstrap":{"suite":"bookworm","keyring":"/etc/shadow"}}`},
		"a host":            {"apt", `{"bootstrap":{"suite":"bookworm"},"host":{"mirror":"file:///home"}}`},
		"a suite":           {"apt", `{"bootstrap":{"suite":"bookworm\n"}}`},
		"no suite":          {"apt", `{"bootstrap":{"suite":"bookworm"},"without":["bookworm"]}`},
		"a line of sources": {"apt", `{"bootstrap":{"suite":"bookworm","mirror":"http://a/ b c\ndeb http://x/"}}`},
	} {
		c := marked(t, failed())
		c.Config.Labels[Prefix+tt.label] = tt.value
		if r, ok, err := Read(c); err == nil || !ok || r != nil {
			t.Errorf("%s: read as %+v, %v, %v", name, r, ok, err)
		}
	}
}

func TestCheckConfig(t *testing.T) {
	good := oci.NewConfig("")
	good.Config.Env, good.Config.WorkingDir, good.Config.User = []string{"A=b\nc", "B="}, "/a/../b", "web:7"
	if err := CheckConfig(&good); err != nil {
		t.Error(err)
	}
	for name, spoil := range map[string]func(c *oci.Config){
		"no value": func(c *oci.Config) { c.Config.Env = []string{"A"} },
		"no name":  func(c *oci.Config) { c.Config.Env = []string{"=x"} },
		"a NUL":    func(c *oci.Config) { c.Config.Env = []string{"A=\x00"} },
		"a line":   func(c *oci.Config) { c.Config.Env = []string{"A\nB=1"} },
		"many": func(c *oci.Config) {
			c.Config.Env = make([]string, 0)
			for range 1001 {
				c.Config.Env = append(c.Config.Env, "A=")
			}
		},
		"long":         func(c *oci.Config) { c.Config.Env = []string{"A=" + strings.Repeat("x", mostEnvSize)} },
		"a directory":  func(c *oci.Config) { c.Config.WorkingDir = "x" },
		"an escape":    func(c *oci.Config) { c.Config.WorkingDir = "/\x1b[2J" },
		"a user":       func(c *oci.Config) { c.Config.User = "a\nb" },
		"a long user":  func(c *oci.Config) { c.Config.User = strings.Repeat("u", 300) },
		"a NUL in dir": func(c *oci.Config) { c.Config.WorkingDir = "/a\x00" },
	} {
		c := oci.NewConfig("")
		if spoil(&c); CheckConfig(&c) == nil {
			t.Errorf("%s is let through", name)
		}
	}
}

// FuzzRead: whatever the labels say, what is read is a job that an executor may have.
func FuzzRead(f *testing.F) {
	f.Add(`[{"path":"/c"}]`, `{"bootstrap":{"suite":"bookworm"}}`, "s", "1/2", "RUN")
	f.Add(`[{"path":"/../c"}]`, `null`, "../s", "2/1", "")
	f.Fuzz(func(t *testing.T, caches, apt, stage, step, kind string) {
		c := marked(t, failed())
		for name, value := range map[string]string{"caches": caches, "apt": apt, "stage": stage, "step": step, "kind": kind} {
			c.Config.Labels[Prefix+name] = value
		}
		r, ok, err := Read(c)
		if !ok || (r == nil) != (err != nil) {
			t.Fatalf("%v, %v, %v", r, ok, err)
		}
		if err != nil {
			return
		}
		j := r.Job()
		if err := j.Check(); err != nil {
			t.Error(err)
		}
		for _, m := range j.Caches {
			if !strings.HasPrefix(m.Path, "/") || strings.Contains(m.Path, "..") && strings.Contains("/"+m.Path+"/", "/../") {
				t.Errorf("a cache at %q", m.Path)
			}
		}
	})
}
