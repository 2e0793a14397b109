// SPDX-License-Identifier: MPL-2.0

//go:build integration

package integration

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// cubieboard is QEMU's Cubieboard, an Allwinner A10. Its SD card starts a
// system only where QEMU plays the boot ROM: not yet in 7.2, seen in 10.0.
func cubieboard(overlay string) []string {
	return []string{
		"-machine", "cubieboard", "-accel", "tcg", "-display", "none", "-monitor", "none", "-serial", "stdio", "-no-reboot",
		"-drive", "if=sd,format=qcow2,cache=unsafe,file=" + overlay, "-nic", "none",
	}
}

// newQEMU is a command for qemu-system-arm, 10 or newer: the host's, else that
// of Debian's backports, unpacked into the world and not installed. Where these
// cannot be reached the test is skipped.
func newQEMU(t *testing.T, w *world) []string {
	t.Helper()
	own := tool(t, "qemu-system-arm")
	m := regexp.MustCompile(`version (\d+)`).FindStringSubmatch(w.ok(t, own, "--version").stdout)
	if m == nil {
		t.Fatal("qemu-system-arm does not tell its version")
	}
	if major, err := strconv.Atoi(m[1]); err == nil && major >= 10 {
		return []string{own}
	}
	a := newApt(t, w)
	if r := w.run(t, a.get, a.args("update", "--error-on=any")...); r.status != 0 {
		t.Skipf("QEMU %s cannot boot a Cubieboard's card, and %s cannot be reached for a newer one:\n%s", m[1], a.suite, tailOf(r.stderr))
	}
	root := a.unpack(t, "qemu-system-arm", "qemu-system-data")
	libs, err := filepath.Glob(filepath.Join(root, "usr/lib/*-linux-gnu*"))
	if err != nil {
		t.Fatal(err)
	}
	return []string{
		tool(t, "env"), "LD_LIBRARY_PATH=" + strings.Join(libs, ":"), filepath.Join(root, "usr/bin/qemu-system-arm"),
		"-L", filepath.Join(root, "usr/share/qemu"),
	}
}

// apt is an apt with a configuration and directories of its own, which knows
// what the host has and changes nothing of it.
type apt struct {
	w              *world
	get, dir, conf string
	suite          string // of the backports
}

func newApt(t *testing.T, w *world) apt {
	t.Helper()
	release, err := os.ReadFile("/etc/os-release")
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile(`(?m)^VERSION_CODENAME=(\w+)$`).FindSubmatch(release)
	if m == nil {
		t.Skip("the host's system has no code name, and so no backports")
	}
	codename := string(m[1])
	a := apt{w: w, get: tool(t, "apt-get"), dir: filepath.Join(w.dir, "apt"), suite: codename + "-backports"}
	for _, d := range []string{"lists/partial", "archives/partial", "debs", "root", "empty"} {
		if err := os.MkdirAll(filepath.Join(a.dir, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	mirror := a.mirror(t, codename)
	a.conf = filepath.Join(a.dir, "apt.conf")
	for name, text := range map[string]string{
		"apt.conf": fmt.Sprintf(`Dir::State::lists "%[1]s/lists"; Dir::Cache "%[1]s"; Dir::Cache::archives "%[1]s/archives";
Dir::Etc::sourcelist "%[1]s/sources.list"; Dir::Etc::sourceparts "%[1]s/empty"; Dir::Etc::preferencesparts "%[1]s/empty";
Acquire::Languages "none"; Acquire::IndexTargets::deb::DEP-11::DefaultEnabled "false"; APT::Sandbox::User "%[2]s";
`, a.dir, strings.TrimSpace(w.ok(t, tool(t, "id"), "-un").stdout)),
		"sources.list": fmt.Sprintf("deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] %s %s main\n"+
			"deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] %[1]s %[3]s main\n", mirror, codename, a.suite),
	} {
		if err := os.WriteFile(filepath.Join(a.dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return a
}

// mirror is where the host, or who runs the test, has Debian from.
func (a apt) mirror(t *testing.T, codename string) string {
	t.Helper()
	if m := os.Getenv("CAROSBUILD_DEBIAN_MIRROR"); m != "" {
		return m
	}
	for line := range strings.Lines(a.w.ok(t, a.get, "indextargets", "--format", "$(REPO_URI) $(RELEASE) $(COMPONENT)").stdout) {
		if f := strings.Fields(line); len(f) == 3 && f[1] == codename && f[2] == "main" {
			return f[0]
		}
	}
	t.Skipf("no source of the host's apt has %s, and so none its backports", codename)
	return ""
}

func (a apt) args(args ...string) []string {
	return append([]string{"-q", "-c", a.conf, "-t", a.suite}, args...)
}

// unpack unpacks packages of the backports and returns the directory. Of what
// they depend on, only what the host lacks or has too old is added, and nothing of
// QEMU's.
func (a apt) unpack(t *testing.T, packages ...string) string {
	t.Helper()
	plan := a.w.ok(t, a.get, a.args(append([]string{"-s", "--no-install-recommends", "install"}, packages...)...)...).stdout
	for _, m := range regexp.MustCompile(`(?m)^Inst (\S+)`).FindAllStringSubmatch(plan, -1) {
		if name := m[1]; !strings.HasPrefix(name, "qemu-") && !slices.Contains(packages, name) {
			packages = append(packages, name)
		}
	}
	start, root, debs := time.Now(), filepath.Join(a.dir, "root"), filepath.Join(a.dir, "debs")
	a.w.ok(t, "/bin/sh", append([]string{"-c", `cd "$0" && exec "$@"`, debs, a.get}, a.args(append([]string{"download"}, packages...)...)...)...)
	found, err := filepath.Glob(filepath.Join(debs, "*.deb"))
	if err != nil || len(found) != len(packages) {
		t.Fatalf("%d packages of %v came: %v", len(found), packages, err)
	}
	for _, deb := range found {
		a.w.ok(t, tool(t, "dpkg-deb"), "-x", deb, root)
	}
	t.Logf("%v of %s in %v", packages, a.suite, time.Since(start).Round(time.Second))
	return root
}

// bootCubieboard starts cards in a QEMU that has their family of processors. The
// Cubieboard's own gets to its root file system. That of the Lamobo R1, whose
// A20 is an A10 with other cores, gets as far as the machine goes: its u-boot
// sets up page tables of a kind (LPAE) that the A10's core does not have.
func bootCubieboard(t *testing.T, w *world) {
	qemu := newQEMU(t, w)
	for _, c := range []struct {
		name string
		want []string // in this order, each in a line
	}{
		{"cubieboard", []string{"U-Boot SPL 20", "U-Boot 20", "Retrieving file: /extlinux/extlinux.conf", "Linux version ", "initrd: root=LABEL=CAROSROOT is /dev/mmcblk0p2"}},
		{"lamobo-r1", []string{"U-Boot SPL 20", "Trying to boot from MMC1", "U-Boot 20", "Allwinner A20 (SUN7I)", "Model: Lamobo R1", "DRAM:  1 GiB"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := machine{image: filepath.Join(w.work, c.name+".img"), format: "raw", board: "cubieboard", size: "2G", qemu: qemu}
			left := c.want
			err := m.run(t, w, 5*time.Minute, func(line string) bool {
				if len(left) > 0 && strings.Contains(line, left[0]) {
					left = left[1:]
				}
				return len(left) == 0
			})
			if err != nil || len(left) > 0 {
				t.Errorf("the console did not show %q: %v", left, err)
			}
		})
	}
}
