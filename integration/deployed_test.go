// SPDX-License-Identifier: MPL-2.0

//go:build integration

package integration

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/zstd"

	"github.com/carosio/carosbuild/pkg/disk/ext4"
	"github.com/carosio/carosbuild/pkg/disk/tree"
)

const lamoboR1 = "sun7i-a20-lamobo-r1"

// capability is cap_net_raw+ep, as a root file system on a disk has it
// (VFS_CAP_REVISION_2).
const capability = "\x01\x00\x00\x02\x00\x20\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"

// deployedRoot is a root file system as an image recipe packs it: owners, modes,
// set-user-id, devices, a capability, links of both kinds.
func deployedRoot(t *testing.T) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	at := time.Unix(1459500000, 0)
	add := func(h tar.Header, content string) {
		h.ModTime, h.Size, h.Format = at, int64(len(content)), tar.FormatPAX
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, content); err != nil {
			t.Fatal(err)
		}
	}
	for _, d := range []string{"", "bin/", "dev/", "etc/", "home/", "lib/", "proc/", "sbin/", "sys/", "tmp/", "usr/", "usr/bin/", "var/", "var/log/"} {
		mode := int64(0o755)
		if d == "tmp/" {
			mode = 0o1777
		}
		add(tar.Header{Name: "./" + d, Typeflag: tar.TypeDir, Mode: mode}, "")
	}
	add(tar.Header{Name: "./bin/busybox", Typeflag: tar.TypeReg, Mode: 0o755}, strings.Repeat("busybox ", 9999))
	add(tar.Header{Name: "./bin/sh", Typeflag: tar.TypeSymlink, Linkname: "busybox", Mode: 0o777}, "")
	add(tar.Header{Name: "./bin/su", Typeflag: tar.TypeReg, Mode: 0o4755}, "su")
	add(tar.Header{Name: "./bin/ping", Typeflag: tar.TypeReg, Mode: 0o755, PAXRecords: map[string]string{"SCHILY.xattr.security.capability": capability}}, "ping")
	add(tar.Header{Name: "./dev/console", Typeflag: tar.TypeChar, Mode: 0o600, Devmajor: 5, Devminor: 1}, "")
	add(tar.Header{Name: "./dev/sda", Typeflag: tar.TypeBlock, Mode: 0o660, Gid: 6, Devmajor: 8}, "")
	add(tar.Header{Name: "./dev/initctl", Typeflag: tar.TypeFifo, Mode: 0o600}, "")
	add(tar.Header{Name: "./etc/hostname", Typeflag: tar.TypeReg, Mode: 0o644}, "caros\n")
	add(tar.Header{Name: "./etc/empty", Typeflag: tar.TypeReg, Mode: 0o640, Uid: 3, Gid: 5}, "")
	add(tar.Header{Name: "./home/user", Typeflag: tar.TypeDir, Mode: 0o700, Uid: 1000, Gid: 1000}, "")
	add(tar.Header{Name: "./home/user/file with blanks", Typeflag: tar.TypeReg, Mode: 0o600, Uid: 1000, Gid: 1000}, "mine\n")
	add(tar.Header{Name: "./usr/bin/python", Typeflag: tar.TypeReg, Mode: 0o755}, "python")
	add(tar.Header{Name: "./usr/bin/python2.7", Typeflag: tar.TypeLink, Linkname: "./usr/bin/python", Mode: 0o755}, "")
	add(tar.Header{Name: "./var/log/sparse", Typeflag: tar.TypeReg, Mode: 0o644}, "x"+strings.Repeat("\x00", 1<<20)+"y")
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// packTo packs a root file system into the form that a name asks for.
func packTo(t *testing.T, w *world, root []byte, name string) []byte {
	t.Helper()
	var b bytes.Buffer
	switch {
	case strings.HasSuffix(name, ".tar.gz"):
		z := gzip.NewWriter(&b)
		_, err := z.Write(root)
		if err = errors.Join(err, z.Close()); err != nil {
			t.Fatal(err)
		}
	case strings.HasSuffix(name, ".tar.zst"):
		z, err := zstd.NewWriter(&b)
		if err != nil {
			t.Fatal(err)
		}
		_, err = z.Write(root)
		if err = errors.Join(err, z.Close()); err != nil {
			t.Fatal(err)
		}
	case strings.HasSuffix(name, ".cpio.gz"):
		return fakeroot(t, w, root, `cd "$1" && find . | sort | cpio -o -H newc --quiet | gzip -n >"$2"`)
	default: // ext3, ext4
		kind := name[strings.LastIndexByte(name, '.')+1:]
		return fakeroot(t, w, root, `/usr/sbin/mke2fs -q -F -t `+kind+` -d "$1" "$2" 64M`)
	}
	return b.Bytes()
}

// fakeroot is what a script makes, as the file $2, of the root file system
// unpacked into $1.
func fakeroot(t *testing.T, w *world, root []byte, script string) []byte {
	t.Helper()
	dir, err := os.MkdirTemp(w.dir, "fakeroot-")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "root.tar"), root, 0o600); err != nil {
		t.Fatal(err)
	}
	w.ok(t, tool(t, "fakeroot"), "/bin/sh", "-ec", `mkdir "$1" && tar -C "$1" --delay-directory-restore -xpf "$1.tar"; `+script, "sh", filepath.Join(dir, "root"), filepath.Join(dir, "out"))
	out, err := os.ReadFile(filepath.Join(dir, "out"))
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// standinKernel is not a kernel: it has the header of a bzImage with a version.
func standinKernel() string {
	b := make([]byte, 4096)
	copy(b[0x202:], "HdrS")
	binary.LittleEndian.PutUint16(b[0x20E:], 0x400)
	copy(b[0x600:], "4.4.3-yocto-standard (oe-user@oe-host) #1 SMP")
	return string(b)
}

// modules is an archive of files below lib/modules of the stand-in kernel.
func modules(t *testing.T, files map[string]string) string {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	w := tar.NewWriter(z)
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(files)) {
		errs = append(errs, w.WriteHeader(&tar.Header{Name: "lib/modules/4.4.3-yocto-standard/" + name, Typeflag: tar.TypeReg, Mode: 0o644, Size: int64(len(files[name]))}))
		_, err := io.WriteString(w, files[name])
		errs = append(errs, err)
	}
	if err := errors.Join(append(errs, w.Close(), z.Close())...); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// builtIn is an archive of modules of a kernel that has its drivers built in.
func builtIn(t *testing.T) string {
	return modules(t, map[string]string{"modules.builtin": "kernel/fs/ext4/ext4.ko\nkernel/drivers/scsi/vmw_pvscsi.ko\n"})
}

// deploy puts into the repository of the stand-in what it is to deploy for a
// machine: files by name, and links with what they lead to.
func (w *world) deploy(t *testing.T, machine string, files map[string]string) {
	t.Helper()
	for name, content := range files {
		to, link := strings.CutPrefix(content, "-> ")
		path := filepath.Join("git/poky/deployed", machine, name)
		if !link {
			w.file(t, path, content)
			continue
		}
		path = filepath.Join(w.work, path)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(to, path); err != nil {
			t.Fatal(err)
		}
	}
}

// oldLayout has the names of 2014 to 2023 for an image in some forms.
func oldLayout(t *testing.T, w *world, machine string, root []byte, forms ...string) map[string]string {
	t.Helper()
	const date = "20160401101112"
	kernel, dated := "bzImage", machine+"-"+date
	if machine == lamoboR1 {
		kernel = "uImage"
	}
	files := map[string]string{
		kernel + "--4.4+git0-r0-" + dated + ".bin": standinKernel(), kernel: "-> " + kernel + "--4.4+git0-r0-" + dated + ".bin",
		kernel + "-" + machine + ".bin":          "-> " + kernel + "--4.4+git0-r0-" + dated + ".bin",
		"modules--4.4+git0-r0-" + dated + ".tgz": builtIn(t), "modules-" + machine + ".tgz": "-> modules--4.4+git0-r0-" + dated + ".tgz",
		"core-image-minimal-initramfs-" + machine + ".cpio.gz": "not a root",
	}
	for _, f := range forms {
		name := "core-image-caros-" + dated + ".rootfs." + f
		files[name], files["core-image-caros-"+machine+"."+f] = string(packTo(t, w, root, name)), "-> "+name
	}
	return files
}

// newLayout has the names since 2023.
func newLayout(t *testing.T, w *world, machine string, root []byte, forms ...string) map[string]string {
	t.Helper()
	const date = "20240501101112"
	files := map[string]string{
		"bzImage--6.6.21+git0-r0-" + machine + "-" + date + ".bin": standinKernel(), "bzImage": "-> bzImage--6.6.21+git0-r0-" + machine + "-" + date + ".bin",
		"modules-" + machine + ".tgz": builtIn(t), "systemd-bootx64.efi": "the image's own loader",
		"core-image-caros-" + machine + ".rootfs.spdx.tar.zst": "not a root", "core-image-initramfs-boot-" + machine + ".cpio.gz": "not a root",
	}
	for _, f := range forms {
		name := "core-image-caros-" + machine + ".rootfs-" + date + "." + f
		files[name], files["core-image-caros-"+machine+".rootfs."+f] = string(packTo(t, w, root, name)), "-> "+name
	}
	return files
}

// ext4Entries reads a whole ext4 file system with our own reader.
func ext4Entries(t *testing.T, file string) map[string]string {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	fs, err := ext4.Open(f, st.Size())
	if err != nil {
		t.Fatal(err)
	}
	tr, err := fs.Tree()
	if err != nil {
		t.Fatal(err)
	}
	kinds := map[uint32]string{tree.Regular: "-", tree.Dir: "d", tree.Symlink: "l", tree.Char: "c", tree.Block: "b", tree.FIFO: "p"}
	out := map[string]string{}
	for i := range tr.Entries {
		at := &tr.Entries[i]
		e := at
		if at.Hardlink != "" {
			if e, err = tr.Lookup(at.Hardlink); err != nil {
				t.Fatal(err)
			}
		}
		line := entry{kind: kinds[e.Type()], mode: int64(e.Mode & 0o7777), uid: int(e.UID), gid: int(e.GID), mtime: e.Mtime, nsec: int(e.MtimeNsec), link: e.Link}
		if e.Type() == tree.Regular {
			line.size, line.content = e.Size, sumOf(t, e)
		}
		if e.Type() == tree.Char || e.Type() == tree.Block {
			line.device = fmt.Sprintf("%d:%d", e.Rdev.Major, e.Rdev.Minor)
		}
		for _, x := range e.Xattrs {
			line.attrs = strings.TrimPrefix(line.attrs+","+fmt.Sprintf("%s=%x", x.Name, x.Value), ",")
		}
		out[at.Path] = line.String()
	}
	return out
}

// sameEntries compares two file systems path by path.
func sameEntries(t *testing.T, what string, got, want map[string]string) {
	t.Helper()
	got, want = maps.Clone(got), maps.Clone(want)
	delete(got, "lost+found")
	delete(want, "lost+found")
	if len(want) < 20 {
		t.Errorf("%s: only %d paths are compared", what, len(want))
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-deployed +disk):\n%s", what, diff)
	}
}

// sameRoot compares the root partition of a disk with what is deployed, read by
// us and by debugfs.
func sameRoot(t *testing.T, w *world, disk string, part int, root []byte, attrs bool) {
	t.Helper()
	want := tarEntries(t, bytes.NewReader(root))
	if !attrs { // the form cannot hold them
		for name, e := range want {
			want[name] = xattrs.ReplaceAllString(e, "")
		}
	}
	w.ok(t, program(t), "inspect", "--check", disk)
	raw := filepath.Join(w.dir, "disk.raw")
	w.ok(t, tool(t, "qemu-img"), "convert", "-O", "raw", disk, raw)
	defer os.Remove(raw)
	img := cutPartition(t, w, raw, part)
	defer os.Remove(img)
	w.ok(t, tool(t, "e2fsck"), "-fn", img)
	own := ext4Entries(t, img)
	foreign := debugfsEntries(t, w, img)
	maps.Copy(foreign, specialEntries(t, w, img, want))
	if !attrs { // mke2fs gives the root its own time
		foreign[""], own[""] = want[""], want[""]
	}
	sameEntries(t, "our reader", own, want)
	sameEntries(t, "debugfs", foreign, want)
}

// specialEntries are the device nodes and pipes of a file system, which debugfs
// does not write out with the rest.
func specialEntries(t *testing.T, w *world, img string, of map[string]string) map[string]string {
	t.Helper()
	var names []string
	for _, name := range slices.Sorted(maps.Keys(of)) {
		if strings.ContainsAny(of[name][:1], "cbp") {
			names = append(names, name)
		}
	}
	cmd := w.command(t.Context(), tool(t, "debugfs"), "-f", "/dev/stdin", img)
	cmd.Stdin = strings.NewReader("stat \"/" + strings.Join(names, "\"\nstat \"/") + "\"\n")
	text, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	all := parseStats(t, text)
	if len(all) != len(names) {
		t.Fatalf("debugfs told of %d of %v", len(all), names)
	}
	for i, name := range names {
		out[name] = all[i].String()
	}
	return out
}

// cutPartition writes a partition into a file of its own.
func cutPartition(t *testing.T, w *world, raw string, number int) string {
	t.Helper()
	var start, size int64
	for line := range strings.SplitSeq(w.ok(t, tool(t, "sfdisk"), "-d", raw).stdout, "\n") {
		name, rest, ok := strings.Cut(line, " : ")
		if ok && strings.HasSuffix(name, fmt.Sprintf("raw%d", number)) {
			rest = strings.ReplaceAll(rest, " ", "")
			if _, err := fmt.Sscanf(rest, "start=%d,size=%d", &start, &size); err != nil {
				t.Fatalf("%q: %v", line, err)
			}
		}
	}
	out := filepath.Join(w.dir, fmt.Sprintf("part%d.img", number))
	w.ok(t, "dd", "if="+raw, "of="+out, "bs=1M", "iflag=skip_bytes,count_bytes", "conv=sparse", "status=none", fmt.Sprintf("skip=%d", start*512), fmt.Sprintf("count=%d", size*512))
	return out
}

// plainDisk takes no boot parts from elsewhere, so that it needs no network.
const plainDisk = `<redo><disk id="plain" size="256M">
	<partition name="esp" type="esp" fs="fat32" size="64M">
		<copy from="deploy:kernel" to="/vmlinuz"/>
		<copy from="deploy:systemd-boot" optional="yes" to="/EFI/BOOT/"/>
		<initrd from="deploy:modules" optional="yes" to="/initrd.img"/>
		<loader title="CarOS" cmdline="root=PARTUUID={partuuid:root} rootwait"/>
	</partition>
	<partition name="root" fs="ext4" profile="compat" size="rest" path="deploy:rootfs"/>
</disk></redo>`

// TestDeployedForms makes disks of deploy directories of both layouts, with the
// root file system in each of its forms.
func TestDeployedForms(t *testing.T) {
	w := newWorld(t)
	root := deployedRoot(t)
	w.deploy(t, "old-tar", oldLayout(t, w, "old-tar", root, "tar.gz", "ext3"))
	const live = "core-image-caros-old-tar-20160401101112.iso"
	w.deploy(t, "old-tar", map[string]string{live: strings.Repeat("\x00", 32<<10) + "\x01CD001\x01" + strings.Repeat("\x00", 32<<10), "core-image-caros-old-tar.iso": "-> " + live})
	w.deploy(t, "old-cpio", oldLayout(t, w, "old-cpio", root, "cpio.gz"))
	w.deploy(t, "old-ext3", oldLayout(t, w, "old-ext3", root, "ext3"))
	w.deploy(t, "bare", oldLayout(t, w, "bare", root))
	w.deploy(t, "new-tar", newLayout(t, w, "new-tar", root, "tar.zst", "ext4"))
	w.deploy(t, "new-ext4", newLayout(t, w, "new-ext4", root, "ext4"))
	w.poky(t)
	w.file(t, "image.xml", bitbakeDeclaration(w, t, "master", `<reposync/><bitbake_target>core-image-caros</bitbake_target></buildstage>
		<buildstage id="packages"><prestage>yocto</prestage><bitbake_target>packagegroup-caros</bitbake_target></buildstage></redo>`))
	w.file(t, "disk.xml", plainDisk)
	t.Run("bare", w.nothingDeployed)
	t.Run("classic", w.classic)
	for _, tt := range []struct {
		machine string
		attrs   bool // the form has extended attributes
		kernel  string
	}{
		{"old-tar", true, "4.4"}, {"old-cpio", false, "4.4"}, {"old-ext3", false, "4.4"}, {"new-tar", true, "6.6"}, {"new-ext4", false, "6.6"},
	} {
		t.Run(tt.machine, func(t *testing.T) {
			r, _ := w.build(t, "image.xml", "disk.xml", "-a", `MACHINE = "`+tt.machine+`"`, "--out", tt.machine+".vmdk")
			if !strings.Contains(r.stderr, "/initrd.img is left out: kernel 4.4.3-yocto-standard has built in what it needs") {
				t.Errorf("nothing is said of the initrd\n%s", tailOf(r.stderr))
			}
			plan := w.ok(t, program(t), "plan", "image.xml", "disk.xml", "-a", `MACHINE = "`+tt.machine+`"`).stdout
			if want := "\n    kernel /REDO/build/tmp/deploy/images/" + tt.machine + "/bzImage\n"; !strings.Contains(plan, want) || !strings.Contains(plan, "\n    rootfs /REDO/") {
				t.Errorf("the plan does not name the files that are deployed\n%s", tailOf(plan))
			}
			disk := tt.machine + ".vmdk"
			sameRoot(t, w, disk, 2, root, tt.attrs)
			cat := func(file string) string { return w.ok(t, program(t), "inspect", disk, "--cat", "1:"+file).stdout }
			if cat("/vmlinuz") != standinKernel() {
				t.Error("another kernel")
			}
			if strings.HasPrefix(tt.machine, "new") && cat("/EFI/BOOT/BOOTX64.EFI") != "the image's own loader" {
				t.Error("another loader")
			}
			entry := cat("/loader/entries/plain.conf")
			guid := strings.ToLower(strings.TrimSpace(w.ok(t, tool(t, "sfdisk"), "--part-uuid", rawOf(t, w, disk), "2").stdout))
			if want := "options root=PARTUUID=" + guid + " rootwait\n"; !strings.Contains(entry, want) || strings.Contains(entry, "initrd") {
				t.Errorf("entry %q, want %q and no initrd", entry, want)
			}
		})
	}
}

// nothingDeployed expects a message with what there is, and what would deploy what
// is missing.
func (w *world) nothingDeployed(t *testing.T) {
	t.Helper()
	r := w.carosbuild(t, "image.xml", "disk.xml", "-a", `MACHINE = "bare"`, "--out", "bare.vmdk")
	for _, want := range []string{
		"disk.xml:8:", "no root file system is deployed in /REDO/build/tmp/deploy/images/bare; there is: bzImage, ", "(looked for *.tar.*", `-a 'IMAGE_FSTYPES_append = " tar.gz"'`,
	} {
		if r.status != 3 || !strings.Contains(r.stderr, want) {
			t.Errorf("exit status %d, no %q in\n%s", r.status, want, tailOf(r.stderr))
		}
	}
}

// classic expects the ISO last in the archive, under the name of its link.
func (w *world) classic(t *testing.T) {
	t.Helper()
	w.build(t, "image.xml", "yocto-vmware-classic.xml", "-a", `MACHINE = "old-tar"`, "--out", "classic.ova")
	members := strings.Fields(w.ok(t, "tar", "-tf", "classic.ova").stdout)
	want := []string{"classic.ovf", "classic.mf", "classic-disk1.vmdk", "core-image-caros-old-tar.iso"}
	if diff := cmp.Diff(want, members); diff != "" {
		t.Errorf("members (-want +got):\n%s", diff)
	}
	if sums := w.ok(t, "tar", "-xOf", "classic.ova", "classic.mf").stdout; strings.Count(sums, "SHA1(") != 3 {
		t.Errorf("the manifest is\n%s", sums)
	}
}

func rawOf(t *testing.T, w *world, disk string) string {
	t.Helper()
	raw := filepath.Join(w.dir, "raw.img")
	w.ok(t, tool(t, "qemu-img"), "convert", "-O", "raw", disk, raw)
	return raw
}

// TestCarOSPlans lays the overlays over all published declarations, as the table of
// from-redomat.md has it: each disk is made from the stage that it names.
func TestCarOSPlans(t *testing.T) {
	files, err := filepath.Glob(published + "caros/*.xml")
	if err != nil || len(files) == 0 {
		missing(t, "the published declarations are not here")
	}
	page, err := os.ReadFile("../docs/from-redomat.md")
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld(t)
	for _, file := range files {
		abs, err := filepath.Abs(file)
		if err != nil {
			t.Fatal(err)
		}
		row := regexp.MustCompile("(?m)^\\| .* \\| `carosbuild " + regexp.QuoteMeta(filepath.Base(file)) + ` (\S+) --out \S+` + "` \\| (\\S+) \\|").FindSubmatch(page)
		if row == nil {
			t.Errorf("%s is not in the table of from-redomat.md", file)
			continue
		}
		overlay, stage := string(row[1]), string(row[2])
		out := w.ok(t, program(t), "plan", abs, overlay).stdout
		if want := "disk " + strings.TrimSuffix(overlay, ".xml") + " from " + stage + " (the only stage that no other stage needs)\n"; !strings.Contains(out, want) {
			t.Errorf("%s: no %q in\n%s", file, want, tailOf(out))
		}
		r := w.carosbuild(t, abs, "--out", "x.vmdk")
		if r.status != 2 || !strings.Contains(r.stderr, "there is a built-in one: carosbuild "+abs+" "+overlay+" --out") {
			t.Errorf("%s without an overlay: exit status %d\n%s", file, r.status, r.stderr)
		}
	}
	example, err := filepath.Abs(published + "redomat-example")
	if err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"example.xml"}, {"example-base.xml", "example-overlay.xml"}} {
		stage := map[int]string{1: "stage3", 2: "003-hello-finish"}[len(args)]
		for i := range args {
			args[i] = filepath.Join(example, args[i])
		}
		out := w.ok(t, program(t), slices.Concat([]string{"plan"}, args, []string{"yocto-vmware.xml"})...).stdout
		if want := "disk yocto-vmware from " + stage + " (the only stage that no other stage needs)\n"; !strings.Contains(out, want) {
			t.Errorf("%v: no %q in\n%s", args, want, tailOf(out))
		}
	}
}

// TestCarOSDisks makes the disks of published declarations with the built-in
// overlays, of what the stand-in deploys: an OVA and a VMDK, and a card.
func TestCarOSDisks(t *testing.T) {
	vmware, lamobo := published+"caros/caros-16.04-vmware.xml", published+"caros/caros-15.12-lamobo-r1.xml"
	if _, err := os.Stat(vmware); err != nil {
		missing(t, "the published declarations are not here")
	}
	w := newWorld(t)
	w.registryWithUbuntu(t)
	root := deployedRoot(t)
	machine := oldLayout(t, w, "vmware", root, "tar.gz")
	machine["core-image-caros-vmware-20160401101112.iso"], machine["core-image-caros-vmware.iso"] = standinISO(), "-> core-image-caros-vmware-20160401101112.iso"
	w.deploy(t, "vmware", machine)
	board := oldLayout(t, w, lamoboR1, root, "ext3", "tar.gz")
	board["u-boot-sunxi-with-spl.bin-"+lamoboR1+"-v2016.01-r0"] = standinUBoot(t, w)
	board["u-boot-sunxi-with-spl.bin"] = "-> u-boot-sunxi-with-spl.bin-" + lamoboR1 + "-v2016.01-r0"
	board["uImage--4.4-r0-"+lamoboR1+"-20160401101112.dtb"], board["uImage-"+lamoboR1+".dtb"] = "tree", "-> uImage--4.4-r0-"+lamoboR1+"-20160401101112.dtb"
	w.deploy(t, lamoboR1, board)
	commits, remotes := w.layers(t)
	for _, tt := range []struct {
		file, overlay string
		outs          []string
		part          int
	}{
		{vmware, "yocto-vmware.xml", []string{"caros.vmdk", "caros.ova"}, 3},
		{lamobo, "yocto-sunxi.xml", []string{"caros.img"}, 2},
	} {
		t.Run(tt.overlay, func(t *testing.T) {
			abs, err := filepath.Abs(tt.file)
			if err != nil {
				t.Fatal(err)
			}
			text, err := os.ReadFile(abs)
			if err != nil {
				t.Fatal(err)
			}
			local, _ := localLayers(string(text), commits)
			args := append([]string{abs, w.file(t, tt.overlay+".local", local), tt.overlay}, remotes...)
			for _, out := range tt.outs {
				args = append(args, "--out", out)
			}
			w.build(t, args...)
			sameRoot(t, w, tt.outs[0], tt.part, root, true)
			if tt.overlay == "yocto-vmware.xml" {
				checkOVA(t, w, "caros.ova")
				if _, ran := w.build(t, append([]string{abs, tt.overlay + ".local", "yocto-vmware-classic.xml", "--out", "classic.ova"}, remotes...)...); len(ran) > 0 {
					t.Errorf("the appliance with an installer needs its own steps: %q", ran)
				}
				checkClassic(t, w, "classic.ova")
				runReadmeOfDisk(t, w, "caros-16.04-vmware.xml", append([]string{abs, tt.overlay + ".local"}, remotes...)...)
				return
			}
			checkCard(t, w, "caros.img")
		})
	}
}

// standinISO is a disc as far as its first descriptor goes.
func standinISO() string {
	return strings.Repeat("\x00", 32<<10) + "\x01CD001\x01" + strings.Repeat("\x00", 4089)
}

// checkClassic expects what redomat's users got: the members in their order, owned by
// nobody, an empty disk, the disc as it was deployed, and the sums of SHA-1.
func checkClassic(t *testing.T, w *world, file string) {
	t.Helper()
	list := w.ok(t, "tar", "-tvf", file, "--numeric-owner").stdout
	var names []string
	for line := range strings.Lines(list) {
		if !strings.HasPrefix(line, "-rw-r--r-- 65534/65534 ") {
			t.Errorf("member %s", line)
		}
		f := strings.Fields(line)
		names = append(names, f[len(f)-1])
	}
	const disc = "core-image-caros-vmware.iso"
	if want := []string{"classic.ovf", "classic.mf", "classic-disk1.vmdk", disc}; !slices.Equal(names, want) {
		t.Errorf("members %q, want %q", names, want)
	}
	w.ok(t, "tar", "-xf", file)
	if got := string(w.read(t, disc)); got != standinISO() {
		t.Errorf("the disc has %d bytes and is another one", len(got))
	}
	var sums string
	for line := range strings.Lines(string(w.read(t, "classic.mf"))) {
		name, sum, ok := strings.Cut(strings.TrimPrefix(strings.TrimSpace(line), "SHA1("), ")= ")
		if !ok {
			t.Errorf("line %q of the manifest", line)
		}
		sums += sum + "  " + name + "\n"
	}
	w.file(t, "sums", sums)
	if out := w.ok(t, "sha1sum", "--strict", "-c", "sums").stdout; strings.Count(out, ": OK") != 3 {
		t.Errorf("sums of\n%s", out)
	}
	info := w.ok(t, tool(t, "qemu-img"), "map", "--output=json", "classic-disk1.vmdk").stdout
	if !strings.Contains(info, `"length": 8589934592`) || strings.Contains(info, `"data": true`) {
		t.Errorf("the disk is not one of 8 GiB with nothing on it:\n%s", info)
	}
}

// standinUBoot is nothing that runs: it has the headers and checksums of a first
// stage for Allwinner's boot ROM, and of u-boot behind it.
func standinUBoot(t *testing.T, w *world) string {
	t.Helper()
	spl := make([]byte, 32<<10)
	copy(spl[4:], "eGON.BT0")
	binary.LittleEndian.PutUint32(spl[12:], 0x5F0A6C39)
	binary.LittleEndian.PutUint32(spl[16:], uint32(len(spl)))
	sum := uint32(0)
	for i := 0; i < len(spl); i += 4 {
		sum += binary.LittleEndian.Uint32(spl[i:])
	}
	binary.LittleEndian.PutUint32(spl[12:], sum)
	w.file(t, "u-boot.bin", strings.Repeat("not u-boot ", 1000))
	w.ok(t, tool(t, "mkimage"), "-A", "arm", "-O", "u-boot", "-T", "firmware", "-C", "none", "-n", "stand-in", "-d", "u-boot.bin", "u-boot.img")
	return string(spl) + string(w.read(t, "u-boot.img"))
}

// TestEFIDisk makes a disk with yocto-efi.xml: the image's own loader for the
// processor that it has one for, and an initrd for a kernel that needs it.
func TestEFIDisk(t *testing.T) {
	w := newWorld(t)
	root := deployedRoot(t)
	files := newLayout(t, w, "qemux86-64", root, "tar.zst")
	module, err := os.ReadFile(tool(t, "busybox")) // a program for the same processor will do
	if err != nil {
		t.Fatal(err)
	}
	files["modules-qemux86-64.tgz"] = modules(t, map[string]string{"kernel/fs/ext4/ext4.ko": string(module)})
	w.deploy(t, "qemux86-64", files)
	w.poky(t)
	w.file(t, "image.xml", bitbakeDeclaration(w, t, "master", `<reposync/><bitbake_target>core-image-caros</bitbake_target></buildstage></redo>`))
	w.build(t, "image.xml", "yocto-efi.xml", "-a", `MACHINE = "qemux86-64"`, "--out", "efi.qcow2")
	sameRoot(t, w, "efi.qcow2", 2, root, true)
	cat := func(file string) string {
		return w.ok(t, program(t), "inspect", "efi.qcow2", "--cat", "1:"+file).stdout
	}
	if got := cat("/EFI/BOOT/BOOTX64.EFI"); got != "the image's own loader" {
		t.Errorf("the loader begins %.20q", got)
	}
	if got := cat("/EFI/BOOT/BOOTAA64.EFI"); !strings.HasPrefix(got, "MZ") {
		t.Errorf("the loader for ARM begins %.20q", got)
	}
	if entry := cat("/loader/entries/yocto-efi.conf"); !strings.Contains(entry, "\ninitrd /initrd.img\noptions root=PARTUUID=") {
		t.Errorf("entry %q", entry)
	}
	w.file(t, "initrd.img", cat("/initrd.img"))
	list := w.ok(t, "/bin/sh", "-c", "gzip -dc initrd.img | "+tool(t, "cpio")+" -it --quiet").stdout
	for _, want := range []string{"init", "bin/busybox", "m/ext4.ko"} {
		if !slices.Contains(strings.Fields(list), want) {
			t.Errorf("no %s in the initrd: %s", want, list)
		}
	}
}

// checkOVA expects meta-vmware's machine.
func checkOVA(t *testing.T, w *world, file string) {
	t.Helper()
	ovf := w.ok(t, "tar", "-xOf", file, "--wildcards", "*.ovf").stdout
	for _, want := range []string{
		">CarOS<", ">Travelping GmbH<", ">http://www.travelping.com/<", "VirtualSCSI", "ALL VLANs", `ovf:capacity="8589934592"`,
	} {
		if !strings.Contains(ovf, want) {
			t.Errorf("the descriptor has no %s", want)
		}
	}
	if n := strings.Count(strings.ToLower(ovf), "vmxnet3"); n < 3 {
		t.Errorf("%d interfaces", n)
	}
}

// checkCard expects u-boot, kernel, device tree and a script on the card.
func checkCard(t *testing.T, w *world, card string) {
	t.Helper()
	cat := func(file string) string { return w.ok(t, program(t), "inspect", card, "--cat", "1:"+file).stdout }
	if cat("/uImage") != standinKernel() || cat("/dtb") != "tree" {
		t.Error("another kernel or device tree")
	}
	w.ok(t, tool(t, "dumpimage"), "-l", w.file(t, "boot.scr", cat("/boot.scr")))
	id := w.ok(t, tool(t, "sfdisk"), "--disk-id", card).stdout
	if want := "root=PARTUUID=" + strings.TrimPrefix(strings.TrimSpace(id), "0x") + "-02 "; !strings.Contains(cat("/boot.scr"), want) {
		t.Errorf("no %q in the script", want)
	}
	dump := w.ok(t, tool(t, "sfdisk"), "-d", card).stdout
	if !strings.Contains(strings.ReplaceAll(dump, " ", ""), "start=4096,size=131072,type=e,bootable") {
		t.Errorf("the table is\n%s", dump)
	}
}

func sumOf(t *testing.T, e *tree.Entry) string {
	t.Helper()
	sum := sha256.New()
	if e.Size > 0 {
		if _, err := io.Copy(sum, io.NewSectionReader(e.Content, 0, e.Size)); err != nil {
			t.Fatal(err)
		}
	}
	return hex.EncodeToString(sum.Sum(nil))
}

var xattrs = regexp.MustCompile(`security\.[a-z]+=[0-9a-f]+`)
