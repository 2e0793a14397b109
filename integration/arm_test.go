// SPDX-License-Identifier: MPL-2.0

//go:build integration

package integration

import (
	"bytes"
	"encoding/binary"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// firmware files of Debian's package qemu-efi-aarch64.
const (
	aavmfCode = "/usr/share/AAVMF/AAVMF_CODE.fd"
	aavmfVars = "/usr/share/AAVMF/AAVMF_VARS.fd"
)

// orangePi is QEMU's Orange Pi PC, whose boot ROM reads the SD card. It always
// has four processors, each of which gets a thread: in one thread for all, they
// wait for each other most of the time.
func orangePi(overlay string) []string {
	return []string{
		"-machine", "orangepi-pc", "-accel", "tcg,thread=multi", "-display", "none", "-monitor", "none", "-serial", "stdio", "-no-reboot",
		"-drive", "if=sd,format=qcow2,cache=unsafe,file=" + overlay, "-nic", "user,restrict=on",
	}
}

// virt is QEMU's ARM machine without a counterpart.
func virt(t *testing.T, overlay string) []string {
	args := []string{
		"-machine", "virt", "-cpu", "cortex-a57", "-accel", "tcg", "-m", "1024", "-nodefaults", "-display", "none", "-monitor", "none",
		"-serial", "stdio", "-device", "virtio-rng-pci", "-drive", "id=d0,if=none,format=qcow2,cache=unsafe,file=" + overlay,
		"-device", "virtio-blk-pci,drive=d0,bootindex=1", "-netdev", "user,id=n0,restrict=on", "-device", "virtio-net-pci,netdev=n0,romfile=",
	}
	return append(args, flash(t, aavmfCode, aavmfVars)...)
}

// emulated makes a world for builds of other architectures.
func emulated(t *testing.T, qemu string) *world {
	t.Helper()
	tool(t, qemu)
	w := newWorld(t)
	w.setenv("SOURCE_DATE_EPOCH=" + epoch)
	return w
}

// overlay is the path of a declaration of these tests.
func overlay(t *testing.T, name string) string {
	t.Helper()
	path, err := filepath.Abs(filepath.Join("testdata/boot", name))
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// TestBoards builds the cards of all boards from one set of stages, looks at
// them with other tools, and boots the one that QEMU has a board for: with its
// extlinux.conf, and with a script as the Lamobo R1 has it; where a new enough
// QEMU can be had, two more. The same cards come out of the stages once more;
// that the stages do from nothing, TestArm64 shows.
func TestBoards(t *testing.T) {
	t.Parallel() // with TestArm64: dpkg and the machines keep one processor busy each
	w := emulated(t, "qemu-arm-static")
	report := overlay(t, "boot.xml")
	r, _ := w.build(t, "orangepi-pc.xml", report, "--out", "orangepi-pc.img")
	t.Logf("built in %v", r.took.Round(time.Second))
	if err := os.Mkdir(filepath.Join(w.work, "again"), 0o755); err != nil {
		t.Fatal(err)
	}
	others := map[string][]string{
		"script":     {"orangepi-pc.xml", report, overlay(t, "script.xml")},
		"lamobo-r1":  {"lamobo-r1.xml", report},
		"bananapi":   {"bananapi.xml", report},
		"cubieboard": {"cubieboard.xml", report},
	}
	for name, files := range others {
		if _, ran := w.build(t, append(files, "--out", name+".img")...); len(ran) != 0 {
			t.Errorf("%s needs its own steps: %v", name, ran)
		}
	}
	t.Run("README", func(t *testing.T) { runReadmeOfBoards(t, w, "orangepi-pc.xml", "card.img") })
	t.Run("architecture", func(t *testing.T) {
		id, _, _ := strings.Cut(r.stdout, ":")
		image := "localhost/carosbuild/" + id + ":900-release"
		if got := w.ok(t, tool(t, "podman"), "image", "inspect", "--format", "{{.Os}}/{{.Architecture}}", image).stdout; got != "linux/arm\n" {
			t.Errorf("podman takes the image for %q", got)
		}
	})
	t.Run("reproducible", func(t *testing.T) {
		id, _, _ := strings.Cut(r.stdout, ":")
		for name, files := range others {
			again := filepath.Join("again", name+".img")
			buildUnder(t, w, "077", append(fromStage(id, files), "--out", again)...)
			if got, want := digest(t, filepath.Join(w.work, again)), digest(t, filepath.Join(w.work, name+".img")); got != want {
				t.Errorf("%s again has the digest %s, and had %s", name, got, want)
			}
		}
	})
	for _, c := range []card{
		{"orangepi-pc", "sun8i-h3-nanopi-neo", "sun8i-h3-orangepi-pc.dtb", "/extlinux/extlinux.conf"},
		{"script", "sun8i-h3-nanopi-neo", "sun8i-h3-orangepi-pc.dtb", "/boot.scr"},
		{"lamobo-r1", "sun7i-a20-lamobo-r1", "sun7i-a20-lamobo-r1.dtb", "/boot.scr"},
		{"bananapi", "sun7i-a20-bananapi", "sun7i-a20-bananapi.dtb", "/extlinux/extlinux.conf"},
		{"cubieboard", "sun4i-a10-cubieboard", "sun4i-a10-cubieboard.dtb", "/extlinux/extlinux.conf"},
	} {
		t.Run(c.name, func(t *testing.T) { c.check(t, w) })
	}
	t.Run("boot", func(t *testing.T) {
		m := machine{image: filepath.Join(w.work, "orangepi-pc.img"), format: "raw", board: "orangepi-pc", size: "4G"}
		checkBoard(t, m.boot(t, w, 12*time.Minute), map[string]string{"arch": "armv7l", "model": "Xunlong_Orange_Pi_PC", "nic": "dwmac-sun8i"}, 4<<30)
	})
	t.Run("boot of an A10", func(t *testing.T) { bootCubieboard(t, w) })
	t.Run("boot by script", func(t *testing.T) { // up to the root file system; the rest is the same
		m := machine{image: filepath.Join(w.work, "script.img"), format: "raw", board: "orangepi-pc", size: "2G"}
		script := false
		err := m.run(t, w, 8*time.Minute, func(line string) bool {
			script = script || strings.Contains(line, "Found U-Boot script /boot.scr")
			return strings.Contains(line, "initrd: root=LABEL=CAROSROOT is /dev/mmcblk0p2")
		})
		if err != nil || !script {
			t.Errorf("script found: %v; %v", script, err)
		}
	})
}

// fromStage are the arguments that make a card from a stage of a build, whatever
// directory it goes to.
func fromStage(id string, files []string) []string {
	args := []string{"disk", id + ":900-release"}
	for _, f := range files {
		args = append(args, "--declaration", f)
	}
	return args
}

// TestArm64 builds the 64-bit target, twice from nothing, and boots it by UEFI;
// then the card of a board with other places for its boot programs.
func TestArm64(t *testing.T) {
	t.Parallel()
	w := emulated(t, "qemu-aarch64-static")
	r, _ := w.build(t, "arm64-uefi.xml", overlay(t, "boot.xml"), "--out", "arm64.img")
	t.Logf("built in %v", r.took.Round(time.Second))
	if out := w.ok(t, tool(t, "sgdisk"), "-v", "arm64.img").stdout; !strings.Contains(out, "No problems found") {
		t.Errorf("sgdisk -v:\n%s", out)
	}
	t.Run("reproducible", func(t *testing.T) {
		id, _, _ := strings.Cut(r.stdout, ":")
		checkAgain(t, w, emulated(t, "qemu-aarch64-static"), id, "arm64-uefi.xml", overlay(t, "boot.xml"), "--out", "arm64.img")
	})
	raw := filepath.Join(w.work, "arm64.img")
	w.ok(t, tool(t, "fsck.vfat"), "-n", partition(t, w, raw, "esp"))
	w.ok(t, tool(t, "e2fsck"), "-fn", partition(t, w, raw, "root"))
	t.Run("README", func(t *testing.T) { runReadmeOfBoards(t, w, "arm64-uefi.xml", "caros-arm64.img") })
	m := machine{image: raw, format: "raw", board: "virt", size: "4G"}
	checkBoard(t, m.boot(t, w, 10*time.Minute), map[string]string{"arch": "aarch64", "firmware": "uefi", "nic": "virtio_net"}, 4<<30)
	checkRock64(t, w)
}

// checkRock64 builds the card from the same stages and looks where the
// processor's ROM and its first program look. No machine of QEMU's starts it.
func checkRock64(t *testing.T, w *world) {
	w.build(t, "rock64.xml", overlay(t, "boot.xml"), "--disk", "rock64", "--out", "rock64.img")
	raw := filepath.Join(w.work, "rock64.img")
	f, err := os.Open(raw)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	// The ROM's header is encrypted with a key that everybody knows: its
	// magic 0x0ff0aa55 at 32 KiB. At 8 MiB is u-boot's tree (a FIT image).
	for at, want := range map[int64]string{32 << 10: "\x3b\x8c\xdc\xfc", 8 << 20: "\xd0\x0d\xfe\xed"} {
		got := make([]byte, 4)
		if _, err := f.ReadAt(got, at); err != nil || string(got) != want {
			t.Errorf("at %d is %x (%v), want %x", at, got, err, want)
		}
	}
	if out := w.ok(t, tool(t, "sgdisk"), "-v", raw).stdout; !strings.Contains(out, "No problems found") {
		t.Errorf("sgdisk -v:\n%s", out)
	}
	boot := partition(t, w, raw, "boot")
	w.ok(t, tool(t, "fsck.vfat"), "-n", boot)
	w.ok(t, tool(t, "e2fsck"), "-fn", partition(t, w, raw, "root"))
	for _, file := range []string{"/vmlinuz", "/initrd.img", "/rk3328-rock64.dtb", "/extlinux/extlinux.conf"} {
		w.ok(t, tool(t, "mcopy"), "-n", "-i", boot, "::"+file, filepath.Join(w.dir, "rock64."+filepath.Base(file)))
	}
	menu, err := os.ReadFile(filepath.Join(w.dir, "rock64.extlinux.conf"))
	if err != nil || !bytes.Contains(menu, []byte("fdt /rk3328-rock64.dtb\n")) {
		t.Errorf("the menu (%v) does not name the device tree:\n%s", err, menu)
	}
}

// checkBoard looks at the report of one boot from a medium of that size.
func checkBoard(t *testing.T, reports []map[string]string, want map[string]string, size int64) {
	t.Helper()
	r := reports[0]
	t.Logf("%v", r)
	for key, value := range map[string]string{"state": "running", "failed": "", "mode": "rw", "keys": "3", "login": "yes", "disk": strconv.FormatInt(size, 10)} {
		if r[key] != value {
			t.Errorf("%s is %q, want %q", key, r[key], value)
		}
	}
	for key, value := range want {
		if r[key] != value {
			t.Errorf("%s is %q, want %q", key, r[key], value)
		}
	}
	if fs, err := strconv.ParseInt(r["fs"], 10, 64); err != nil || fs < size*9/10 {
		t.Errorf("the root file system has %s bytes of a medium of %d", r["fs"], size)
	}
}

// card is what must be on an SD card.
type card struct {
	name string
	spl  string // name of the device tree that the boot program is made for
	dtb  string // file of the kernel's
	menu string // what u-boot is told by
}

// check reads a card as the boot ROM, u-boot and the kernel would.
func (c card) check(t *testing.T, w *world) {
	img := filepath.Join(w.work, c.name+".img")
	c.checkBoot(t, img)
	table := w.ok(t, tool(t, "sfdisk"), "-d", img).stdout
	for _, want := range []string{"label: dos", "start=        2048, size=      262144, type=c, bootable", "start=      264192,"} {
		if !strings.Contains(table, want) {
			t.Errorf("no %q in the partition table:\n%s", want, table)
		}
	}
	boot, root := filepath.Join(w.dir, c.name+".boot"), filepath.Join(w.dir, c.name+".root")
	w.ok(t, "dd", "if="+img, "of="+boot, "bs=1M", "skip=1", "count=128", "status=none")
	w.ok(t, "dd", "if="+img, "of="+root, "bs=1M", "skip=129", "conv=sparse", "status=none")
	w.ok(t, tool(t, "fsck.vfat"), "-n", boot)
	w.ok(t, tool(t, "e2fsck"), "-fn", root)
	sizes := map[string]int64{}
	for _, file := range []string{"/zImage", "/initrd.img", "/" + c.dtb, c.menu} {
		w.ok(t, tool(t, "mcopy"), "-n", "-i", boot, "::"+file, filepath.Join(w.dir, c.name+filepath.Base(file)))
		st, err := os.Stat(filepath.Join(w.dir, c.name+filepath.Base(file)))
		if err != nil || st.Size() == 0 {
			t.Fatalf("%s: %v", file, err)
		}
		sizes[file] = st.Size()
	}
	// u-boot loads the kernel at 0x42000000, the device tree 16 MiB and the
	// initrd 20 MiB behind it.
	if sizes["/zImage"] >= 16<<20 || sizes["/"+c.dtb] >= 1<<20 {
		t.Errorf("in memory they would overlap: %v", sizes)
	}
	path := filepath.Join(w.dir, c.name+filepath.Base(c.menu))
	if c.menu == "/boot.scr" {
		if out := w.ok(t, tool(t, "mkimage"), "-l", path).stdout; !strings.Contains(out, "ARM Linux Script") {
			t.Errorf("mkimage -l:\n%s", out)
		}
	}
	menu, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	c.checkMenu(t, menu, sizes)
	dtb, err := os.ReadFile(filepath.Join(w.dir, c.name+c.dtb))
	if err != nil || len(dtb) < 8 || binary.BigEndian.Uint32(dtb) != 0xD00DFEED || int(binary.BigEndian.Uint32(dtb[4:])) != len(dtb) {
		t.Errorf("%s (%v), %d bytes, is not a device tree: %.8x", c.dtb, err, len(dtb), dtb)
	}
}

// checkBoot reads the boot program at 8 KiB as the processor's ROM does, and
// u-boot behind it as the boot program does. Where u-boot is the board's own, the
// device tree that it would look for by itself is the one on the card.
func (c card) checkBoot(t *testing.T, img string) {
	f, err := os.Open(img)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	blob := make([]byte, 1<<20-8192)
	if _, err := f.ReadAt(blob, 8192); err != nil {
		t.Fatal(err)
	}
	first, err := readFirstStage(blob)
	if err != nil {
		t.Fatal(err)
	}
	if first.dt != c.spl {
		t.Errorf("the boot program is for %q, want %q", first.dt, c.spl)
	}
	name, uboot, err := readUImage(blob[0x8000:], kindUBoot)
	if err != nil || !strings.HasPrefix(name, "U-Boot 20") {
		t.Fatalf("u-boot behind the boot program: %q, %v", name, err)
	}
	if want := "\x00fdtfile=" + c.spl + ".dtb\x00"; !bytes.Contains(uboot, []byte(want)) {
		t.Errorf("u-boot's variables lack %q", want)
	}
}

// checkMenu looks at what tells u-boot what to load: every file is on the card,
// and the device tree is the board's.
func (c card) checkMenu(t *testing.T, menu []byte, sizes map[string]int64) {
	if c.menu != "/boot.scr" {
		if !bytes.Contains(menu, []byte(c.dtb)) {
			t.Errorf("%s does not name the device tree:\n%s", c.menu, menu)
		}
		return
	}
	script, err := readScript(menu)
	if err != nil {
		t.Fatalf("%s: %v", c.menu, err)
	}
	loads, err := scriptLoads(script)
	if err != nil {
		t.Fatalf("%s: %v", c.menu, err)
	}
	for where, file := range loads {
		if sizes[file] == 0 {
			t.Errorf("%s loads %s to %s, which the card does not have: %v", c.menu, file, where, sizes)
		}
	}
	if got := loads["${fdt_addr_r}"]; got != "/"+c.dtb {
		t.Errorf("%s loads the device tree %s, want /%s", c.menu, got, c.dtb)
	}
}
