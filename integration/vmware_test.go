// SPDX-License-Identifier: MPL-2.0

//go:build integration

package integration

import (
	"crypto/sha256"
	"encoding/hex"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// epoch is the SOURCE_DATE_EPOCH of the builds here.
const epoch = "1767225600" // 2026-01-01

// vmware is a build of the built-in target with the boot test laid over it.
type vmware struct {
	*world
	buildID string
}

func buildVMware(t *testing.T, umask string, outs ...string) vmware {
	t.Helper()
	w := newWorld(t)
	w.setenv("SOURCE_DATE_EPOCH=" + epoch)
	args := []string{"vmware.xml", overlay(t, "boot.xml")}
	for _, o := range outs {
		args = append(args, "--out", o)
	}
	return vmware{w, buildUnder(t, w, umask, args...)}
}

// buildUnder builds with a umask and returns the build's id.
func buildUnder(t *testing.T, w *world, umask string, args ...string) string {
	t.Helper()
	r := w.ok(t, "/bin/sh", append([]string{"-c", "umask " + umask + ` && exec "$@"`, "sh", program(t), "--progress=plain"}, args...)...)
	t.Logf("built in %v", r.took.Round(time.Second))
	id, _, _ := strings.Cut(r.stdout, ":")
	return id
}

// checkAgain builds what was built once more from nothing, in another directory
// and with another umask: the output, whose name is the last of args, has the
// same bytes.
func checkAgain(t *testing.T, first, second *world, id string, args ...string) {
	t.Helper()
	again := buildUnder(t, second, "077", args...)
	out := args[len(args)-1]
	got, want := digest(t, filepath.Join(second.work, out)), digest(t, filepath.Join(first.work, out))
	if got != want {
		t.Errorf("the second build from nothing of %s has the digest %s, the first %s\n%s", out, got, want, differences(t, vmware{first, id}, vmware{second, again}))
	}
}

func digest(t *testing.T, path string) string {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		t.Fatal(err)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// TestVMware builds the shipped target and looks at the result with everybody
// else's tools, boots it, and builds it again from nothing.
func TestVMware(t *testing.T) {
	v := buildVMware(t, "022", "caros.raw", "caros.vmdk", "caros.ova")

	// Another format of the same stages: no step runs.
	if _, ran := v.build(t, "vmware.xml", overlay(t, "boot.xml"), "--out", "caros-sparse.vmdk", "--format", "vmdk-sparse"); len(ran) != 0 {
		t.Errorf("the second run without a change ran %v", ran)
	}
	t.Run("checkers", func(t *testing.T) { checkDisk(t, v) })
	t.Run("content", func(t *testing.T) { compareRoot(t, v) })
	t.Run("reproducible", func(t *testing.T) {
		second := newWorld(t)
		second.setenv("SOURCE_DATE_EPOCH=" + epoch)
		checkAgain(t, v.world, second, v.buildID, "vmware.xml", overlay(t, "boot.xml"), "--out", "caros.vmdk")
	})
	t.Run("README", func(t *testing.T) { runReadme(t, v) })
	t.Run("virtualisation", func(t *testing.T) { checkVirtualisation(t, v) })
	t.Run("boot", func(t *testing.T) { bootAll(t, v) })
}

// checkVirtualisation lays the other built-in declaration over the node: what is
// below it stays, and its programs and units are on the disk.
func checkVirtualisation(t *testing.T, v vmware) {
	_, ran := v.build(t, "vmware.xml", "virtualisation.xml", "--out", "virt.vmdk")
	for _, step := range ran {
		if stage, _, _ := strings.Cut(step, " "); stage < "035" || stage == "boot-tools" {
			t.Errorf("step %s below the overlay ran", step)
		}
	}
	v.ok(t, program(t), "inspect", "--check", "virt.vmdk")
	for _, file := range []string{"/usr/sbin/libvirtd", "/usr/bin/qemu-system-x86_64", "/etc/systemd/system/multi-user.target.wants/libvirtd.service"} {
		if r := v.carosbuild(t, "inspect", "virt.vmdk", "--ls", file); r.status != 0 {
			t.Errorf("%s is not on the disk: %s", file, r.stderr)
		}
	}
}

// checkDisk runs the foreign checkers over all files.
func checkDisk(t *testing.T, v vmware) {
	raw := filepath.Join(v.work, "caros.raw")
	for _, name := range []string{"caros.vmdk", "caros-sparse.vmdk"} {
		v.ok(t, tool(t, "qemu-img"), "check", name)
		v.ok(t, tool(t, "qemu-img"), "compare", "-f", "vmdk", "-F", "raw", name, "caros.raw")
	}
	for _, name := range []string{"caros.raw", "caros.vmdk", "caros.ova"} {
		v.ok(t, program(t), "inspect", "--check", name)
	}
	if r := v.ok(t, program(t), "diff", "caros.raw", "caros.ova"); r.stdout != "" {
		t.Errorf("differences between raw and OVA:\n%s", r.stdout)
	}
	importOVA(t, filepath.Join(v.work, "caros.ova"))
	if out := v.ok(t, tool(t, "sgdisk"), "-v", raw).stdout; !strings.Contains(out, "No problems found") {
		t.Errorf("sgdisk -v:\n%s", out)
	}
	v.ok(t, tool(t, "fsck.vfat"), "-n", partition(t, v.world, raw, "esp"))
	v.ok(t, tool(t, "e2fsck"), "-fn", partition(t, v.world, raw, "root"))
}

// importOVA has VMware's own client library import the appliance into its
// simulator: a module of its own, whose test is told the file.
func importOVA(t *testing.T, path string) {
	goTool := os.Getenv("GO")
	if goTool == "" {
		goTool = tool(t, "go")
	}
	cmd := exec.CommandContext(t.Context(), goTool, "test", "-count=1", "-run", "TestFile", ".")
	cmd.Dir, cmd.Env = "govmomi", append(os.Environ(), "CAROSBUILD_OVA="+path)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("import into VMware's simulator: %v\n%s", err, out)
	}
}

// partition cuts a partition out of a raw disk, by its name.
func partition(t *testing.T, w *world, raw, name string) string {
	t.Helper()
	out := filepath.Join(w.dir, name+".img")
	if _, err := os.Stat(out); err == nil {
		return out
	}
	for line := range strings.SplitSeq(w.ok(t, tool(t, "sgdisk"), "-p", raw).stdout, "\n") {
		f := strings.Fields(line)
		if len(f) < 7 || f[6] != name {
			continue
		}
		first, err1 := strconv.ParseInt(f[1], 10, 64)
		last, err2 := strconv.ParseInt(f[2], 10, 64)
		if err1 != nil || err2 != nil {
			continue
		}
		w.ok(t, "dd", "if="+raw, "of="+out, "bs=1M", "iflag=skip_bytes,count_bytes", "conv=sparse", "status=none",
			"skip="+strconv.FormatInt(first*512, 10), "count="+strconv.FormatInt((last-first+1)*512, 10))
		return out
	}
	t.Fatalf("%s has no partition %q", raw, name)
	return ""
}

// bootAll boots each format, each firmware, and each controller that the firmware
// knows, two machines at a time. The formats have the same content.
func bootAll(t *testing.T, v vmware) {
	slots := make(chan struct{}, 2)
	for _, m := range []machine{
		{image: "caros.raw", format: "raw", firmware: "bios", disk: "pvscsi", serial: "boot-twice"},
		{image: "caros.vmdk", format: "vmdk", firmware: "uefi", disk: "ahci", serial: "boot-twice"},
		{image: "caros.raw", format: "raw", firmware: "uefi", disk: "ahci", serial: "boot-twice"},
		{image: "caros.vmdk", format: "vmdk", firmware: "bios", disk: "ahci", serial: "boot-twice"},
		{image: "caros-sparse.vmdk", format: "vmdk", firmware: "uefi", disk: "virtio", serial: "boot-twice"},
		{image: "caros-sparse.vmdk", format: "vmdk", firmware: "bios", disk: "virtio", serial: "boot-twice"},
	} {
		m.image, m.size = filepath.Join(v.work, m.image), "6G"
		name := filepath.Base(m.image) + " " + m.firmware + " " + m.disk
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			slots <- struct{}{}
			defer func() { <-slots }()
			checkReports(t, m, m.boot(t, v.world, 12*time.Minute))
		})
	}
	t.Run("caros.ova, our own boot", func(t *testing.T) { // the disk where it is, inside of the appliance, up to its login
		t.Parallel()
		slots <- struct{}{}
		defer func() { <-slots }()
		v.ok(t, program(t), "boot", "caros.ova", "--accel", "tcg", "--bus", "pvscsi", "--timeout", "12m",
			"--expect", "initrd: root=LABEL=CAROSROOT is /dev/sda3", "--expect", "Welcome to .*Debian GNU/Linux 12", "--expect", "login: ")
	})
}

func checkReports(t *testing.T, m machine, reports []map[string]string) {
	want := 1
	if m.serial == "boot-twice" {
		want = 2
	}
	if len(reports) != want {
		t.Fatalf("%d boots reported, want %d", len(reports), want)
	}
	for i, r := range reports {
		t.Logf("boot %d: %v", i+1, r)
		for key, value := range map[string]string{
			"state": "running", "mode": "rw", "nic": "vmxnet3", "firmware": m.firmware, "failed": "",
			"count": strconv.Itoa(i + 1), "keys": "3",
		} {
			if r[key] != value {
				t.Errorf("boot %d: %s is %q, want %q", i+1, key, r[key], value)
			}
		}
		disk, err1 := strconv.ParseInt(r["disk"], 10, 64)
		fs, err2 := strconv.ParseInt(r["fs"], 10, 64)
		// The disk was made larger: all but the boot partitions, and what the
		// file system keeps for itself, must be there.
		if err1 != nil || err2 != nil || disk != 6<<30 || fs < disk*9/10 {
			t.Errorf("boot %d: the root file system has %s bytes of a disk of %s", i+1, r["fs"], r["disk"])
		}
	}
}
