// SPDX-License-Identifier: MPL-2.0

package debian

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/carosio/carosbuild/pkg/source/debian/debtest"
	"github.com/carosio/carosbuild/pkg/tooltest"
)

func scriptResolution() *Resolution {
	return &Resolution{Suite: "sid", Arch: "amd64", Packages: []Package{
		{Name: "libc6", Version: "2.36-9", Arch: "amd64", Role: Essential},
		{Name: "dpkg", Version: "1.21.22-3", Arch: "amd64", Role: Essential},
		{Name: "base-passwd", Version: "3.6", Arch: "amd64", Role: Essential},
		{Name: "apt", Version: "2.6", Arch: "amd64", Role: Required, Auto: true},
		{
			Name: "tzdata", Version: "1:2~x+1", Arch: "all", Role: Extra, Sum: strings.Repeat("a", 64),
			Stanza: "Package: tzdata\nVersion: 1:2~x+1\nFilename: pool/t.deb\nDescription: x\n y",
		},
	}}
}

func TestScriptsAreShell(t *testing.T) {
	r := scriptResolution()
	for _, shell := range []string{"sh", "dash", "bash"} {
		path := tooltest.Find(t, shell)
		for what, script := range map[string]string{"configure": r.ConfigureScript(), "install": r.InstallScript()} {
			name := filepath.Join(t.TempDir(), what)
			must(t, os.WriteFile(name, []byte(script), 0o644))
			if err := run(path, "-n", name); err != nil {
				t.Error(err)
			}
		}
	}
}

func TestScripts(t *testing.T) {
	r := scriptResolution()
	script := r.ConfigureScript()
	var at []int
	for _, line := range []string{
		"\npreinst base-passwd amd64\npreinst libc6 amd64\n", "DPKG_RUNNING_VERSION=1.21.22 ",
		"\npreinst apt amd64\n", "--configure libc6 dpkg base-passwd <", "--configure --pending",
	} {
		i := strings.Index(script, line)
		if i < 0 {
			t.Errorf("configure script lacks %q", line)
		}
		at = append(at, i)
	}
	if at[0] > at[3] || at[2] > at[3] || at[3] > at[4] {
		t.Errorf("order of the configure script: %v", at)
	}
	if strings.Contains(script, "tzdata") {
		t.Error("configure script: names an extra package")
	}
	if script := r.InstallScript(); !strings.Contains(script, "install tzdata=1:2~x+1 <") || !strings.Contains(script, "Package: apt\n") {
		t.Errorf("install script:\n%s", script)
	}
	want := "Package: tzdata\nVersion: 1:2~x+1\nFilename: ./debs/" + strings.Repeat("a", 64) + ".deb\nDescription: x\n y\n\n"
	if got := r.InstallFiles()[installIndex]; got != want {
		t.Errorf("index: got %q, want %q", got, want)
	}
	r.Packages = r.Packages[:4]
	if got := r.InstallScript(); got != "" {
		t.Errorf("no extra packages: got %q", got)
	}
}

// The configure script runs with stand-ins for dpkg and other programs: preinst
// scripts in order and with dpkg's environment, no service started, and nothing of
// the set-up left behind, whether it succeeds or fails.
func TestConfigureScriptRuns(t *testing.T) {
	shell := tooltest.Find(t, "sh")
	for _, fail := range []bool{false, true} {
		root := t.TempDir()
		code := "exit 0"
		if fail {
			code = "exit 7"
		}
		writeFiles(t, root, map[string]string{
			"usr/sbin/policy-rc.d":                         "mine",
			"sbin/start-stop-daemon":                       "real",
			"etc/passwd":                                   "root:x:0:0::/:/bin/sh\n",
			"etc/machine-id":                               "1234",
			"var/log/dpkg.log":                             "x",
			"run/lock/keep":                                "x",
			"run/carosbuild/keep":                          "x",
			"run/drop":                                     "x",
			"tmp/.drop":                                    "x",
			"var/lib/dpkg/info/base-passwd.preinst":        "#!/bin/sh\necho base-passwd $1 $DPKG_MAINTSCRIPT_NAME $DPKG_MAINTSCRIPT_PACKAGE >>ROOT/log",
			"var/lib/dpkg/info/libc6:amd64.preinst":        "#!/bin/sh\necho libc6 $DPKG_MAINTSCRIPT_ARCH $DEBCONF_PACKAGE >>ROOT/log",
			"stand-in/dpkg":                                "#!/bin/sh\necho dpkg \"$@\" >>ROOT/log; sh ROOT/usr/sbin/policy-rc.d; echo policy $? >>ROOT/log; " + code,
			"var/lib/dpkg/info/not-of-the-base.preinst":    "#!/bin/sh\nexit 9",
			"var/lib/dpkg/info/libc6:amd64.preinst.backup": "#!/bin/sh\nexit 9",
		})
		script := scriptResolution().ConfigureScript()
		var pairs []string
		for _, dir := range []string{"/usr/sbin/policy-rc.d", "/sbin/start-stop-daemon", "/var/", "/etc/", "/run/", "/tmp/"} {
			for _, before := range []string{"=", " ", ">", `"`, "|"} {
				pairs = append(pairs, before+dir, before+root+dir)
			}
		}
		script = strings.NewReplacer(pairs...).Replace(script)
		script = strings.ReplaceAll(script, "PATH=", "PATH="+root+"/stand-in:")
		script = strings.ReplaceAll(script, "\ncd /\n", "\ncd "+root+"\n")
		for _, name := range []string{"var/lib/dpkg/info/base-passwd.preinst", "var/lib/dpkg/info/libc6:amd64.preinst", "stand-in/dpkg"} {
			data, err := os.ReadFile(filepath.Join(root, name))
			must(t, err)
			must(t, os.WriteFile(filepath.Join(root, name), []byte(strings.ReplaceAll(string(data), "ROOT", root)), 0o755))
			must(t, os.Chmod(filepath.Join(root, name), 0o755))
		}
		out, err := exec.Command(shell, "-c", script).CombinedOutput()
		if (err != nil) != fail {
			t.Fatalf("fail %v: got %v\n%s", fail, err, out)
		}
		got := debtest.List(t, root)
		log := strings.TrimPrefix(got["log"], "-rw-r--r-- ")
		want := "base-passwd install preinst base-passwd\nlibc6 amd64 libc6\n" +
			"dpkg --force-unsafe-io --configure libc6 dpkg base-passwd\npolicy 101\n"
		if !fail {
			want += "dpkg --force-unsafe-io --configure --pending\npolicy 101\n"
		}
		if log != want {
			t.Errorf("fail %v: log: got\n%s\nwant\n%s\noutput:\n%s", fail, log, want, out)
		}
		if got["usr/sbin/policy-rc.d"] != "-rw-r--r-- mine" || got["sbin/start-stop-daemon"] != "-rw-r--r-- real" {
			t.Errorf("fail %v: not put back: %q, %q", fail, got["usr/sbin/policy-rc.d"], got["sbin/start-stop-daemon"])
		}
		for name, there := range map[string]bool{"run/lock/keep": true, "run/carosbuild/keep": true, "run/drop": fail, "tmp/.drop": fail, "var/log/dpkg.log": fail} {
			if _, ok := got[name]; ok != there {
				t.Errorf("fail %v: %s: got %v, want %v", fail, name, ok, there)
			}
		}
		if !fail && got["etc/machine-id"] != "-rw-r--r-- " {
			t.Errorf("machine-id: got %q, want it empty", got["etc/machine-id"])
		}
	}
}
