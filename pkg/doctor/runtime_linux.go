// SPDX-License-Identifier: MPL-2.0

package doctor

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// fault is a hole of a runtime, and the versions that close it: of each series X.Y the
// release that does, the newest series last. Debian are versions of Debian's package by
// release, which close it although the number of the program says otherwise.
type fault struct {
	program string
	id      string
	closed  []string
	debian  map[string]string // VERSION_CODENAME: version of the package
}

// faults are of the projects' advisories. The versions of Debian's packages are those in
// whose changelog.Debian.gz the number is: runc 1.1.5+ds1-1+deb12u1, of 2 February 2024.
var faults = []fault{
	{
		program: "runc", id: "CVE-2024-21626", closed: []string{"1.1.12"},
		debian: map[string]string{"bookworm": "1.1.5+ds1-1+deb12u1"},
	},
	{
		program: "runc", id: "CVE-2025-31133, CVE-2025-52565 and CVE-2025-52881", closed: []string{"1.2.8", "1.3.3", "1.4.0-rc.3"},
	},
}

// runtime asks the OCI runtime for its version and looks up what is known of it.
func (e *Examination) runtime(ctx context.Context) Ability {
	if e.Runtime == "" {
		if e.Asked {
			return tried(Runtime, errors.New("the requested runtime is not installed"), "")
		}
		a := tried(Runtime, errors.New("neither runc nor crun is installed"), "")
		a.Needs = []Change{AddRuntime}
		return a
	}
	ctx, cancel := context.WithTimeout(ctx, trialTime)
	defer cancel()
	out, err := exec.CommandContext(ctx, e.Runtime, "--version").Output()
	if err != nil {
		return tried(Runtime, fmt.Errorf("%s --version: %w", e.Runtime, err), "")
	}
	program, version := runtimeVersion(string(out))
	detail := strings.TrimSpace(e.Runtime + ", " + program + " " + version)
	if open := openFaults(program, version); len(open) > 0 {
		detail += "; " + describeFaults(open, packageOf(ctx, e.Runtime), codename("/etc/os-release"), func(a, b string) bool {
			return exec.CommandContext(ctx, "dpkg", "--compare-versions", a, "lt", b).Run() == nil
		})
	}
	return tried(Runtime, nil, detail)
}

// runtimeVersion reads the first line of runc and crun: "runc version 1.1.5+ds1".
func runtimeVersion(out string) (program, version string) {
	line, _, _ := strings.Cut(out, "\n")
	f := strings.Fields(line)
	if len(f) < 3 || f[1] != "version" {
		return "", ""
	}
	return f[0], f[2]
}

// openFaults are those that the project's own release of this number has.
func openFaults(program, version string) []fault {
	var open []fault
	for _, f := range faults {
		if f.program == program && version != "" && !closedIn(version, f.closed) {
			open = append(open, f)
		}
	}
	return open
}

// closedIn reports whether a version is as new as the release that closes a fault in
// its series, or of a newer series.
func closedIn(version string, closed []string) bool {
	v := numbers(version)
	newest := true
	for _, c := range closed {
		n := numbers(c)
		if v[0] == n[0] && v[1] == n[1] {
			return !less(v, n)
		}
		newest = newest && less(n, v)
	}
	return newest
}

// numbers are major, minor, patch and the number of a candidate; that of a release is
// higher than any.
func numbers(version string) [4]int {
	var n [4]int
	version, _, _ = strings.Cut(version, "+") // of a distribution
	version, rc, candidate := strings.Cut(strings.NewReplacer("~", "-").Replace(version), "-rc")
	n[3] = 1 << 20
	if candidate {
		n[3], _ = strconv.Atoi(strings.Trim(rc, "."))
	}
	for i, s := range strings.SplitN(version, ".", 3) {
		n[i], _ = strconv.Atoi(s)
	}
	return n
}

func less(a, b [4]int) bool {
	for i := range a {
		if a[i] != b[i] {
			return a[i] < b[i]
		}
	}
	return false
}

// describeFaults says which faults are open, as far as the distribution's package tells.
// code is the distribution's release, pkg the version of the package, "" for unknown; older compares such versions.
func describeFaults(open []fault, pkg, code string, older func(a, b string) bool) string {
	var parts []string
	for _, f := range open {
		text := f.id + ", fixed in " + strings.Join(f.closed, ", ")
		fixed := f.debian[code]
		switch {
		case pkg == "":
			text += ", cannot be told of this one: no package has it"
		case fixed == "":
			text += ": cannot tell whether package version " + pkg + " has the fix"
		case older(pkg, fixed):
			text += ", and in package version " + fixed + ": this is " + pkg
		default:
			continue
		}
		parts = append(parts, "known fault "+text)
	}
	if len(parts) == 0 {
		return "known faults are fixed in package version " + pkg
	}
	return strings.Join(parts, "; ")
}

// packageOf is the version of the Debian or RPM package that a program is from, "" for
// none.
func packageOf(ctx context.Context, path string) string {
	if real, err := filepath.EvalSymlinks(path); err == nil {
		path = real
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	for _, p := range []string{path, strings.TrimPrefix(path, "/usr")} {
		out, err := exec.CommandContext(ctx, "dpkg-query", "--search", p).Output()
		name, _, ok := strings.Cut(string(out), ":")
		if err != nil || !ok {
			continue
		}
		out, err = exec.CommandContext(ctx, "dpkg-query", "--show", "--showformat=${Version}", name).Output()
		if err == nil {
			return strings.TrimSpace(string(out))
		}
	}
	out, err := exec.CommandContext(ctx, "rpm", "--query", "--queryformat", "%{VERSION}-%{RELEASE}", "--file", path).Output()
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(out))
}

// codename is VERSION_CODENAME of os-release(5).
func codename(file string) string {
	data, _ := os.ReadFile(file)
	for line := range strings.Lines(string(data)) {
		if v, ok := strings.CutPrefix(line, "VERSION_CODENAME="); ok {
			return strings.Trim(strings.TrimSpace(v), `"`)
		}
	}
	return ""
}
