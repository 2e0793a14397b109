// SPDX-License-Identifier: MPL-2.0

package compose

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/carosio/carosbuild/pkg/decl/finding"
)

// TestNoModules leaves an initrd out if neither an archive nor the root file system
// has modules for a kernel whose version is known.
func TestNoModules(t *testing.T) {
	kernel := "\x00Linux version 4.4.3-yocto-standard (oe-user@oe-host)\x00"
	stage := files(t, map[string]string{
		images + "vmware/bzImage": kernel, images + "vmware/systemd-bootx64.efi": "LOADER",
		images + "vmware/core-image-caros-vmware.tar.gz": packed(t, map[string]string{"etc/hostname": "caros\n"}),
	})
	img, notes, err := composedNoting(t, deployDisk, map[string]RootFS{"s": stage})
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Contains(notes, "disk d: /initrd.img is left out: no modules are deployed") {
		t.Errorf("notes %q", notes)
	}
	boot := readFAT(t, img, 0)
	if boot["vmlinuz"] != kernel || strings.Contains(boot["loader/entries/d.conf"], "initrd") {
		t.Errorf("boot partition %q", boot)
	}
	_, err = composed(t, strings.Replace(deployDisk, `from="deploy:modules" optional="yes"`, `from="deploy:modules"`, 1), map[string]RootFS{"s": stage})
	if want := "/lib/modules of the root file system, and no modules-*.tgz is deployed (wanted: those of kernel 4.4.3-yocto-standard)"; err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("got %v, want %s", err, want)
	}
}

// TestDeployedMissing wants findings at the value, with the remedy.
func TestDeployedMissing(t *testing.T) {
	for _, tt := range []struct{ from, to, summary, hint string }{
		{"deploy:systemd-boot", "deploy:grub-efi", "no GRUB for EFI is deployed in /REDO/build/tmp/deploy/images/vmware", `-a 'EXTRA_IMAGEDEPENDS += "grub-efi"'`},
		{`from="deploy:dtb" optional="yes"`, `from="deploy:dtb"`, "no device tree is deployed", "KERNEL_DEVICETREE"},
		{`<partition name="boot"`, `<deploy image="x"/><partition name="boot"`, `no root file system of image "x" is deployed`, "<bitbake_target>x</bitbake_target>"},
		{`<partition name="boot"`, `<deploy dir="/nowhere"/><partition name="boot"`, "nothing is deployed: there is no directory /nowhere", `images are deployed in /REDO/build/tmp/deploy/images: write <deploy dir=`},
		{"KERNEL", "", "no modules of kernel 4.1.6-caros in /lib/modules of modules-vmware.tgz; there are: 4.4.3", ""},
		{"", "", "there are no files in /REDO/build/tmp/deploy/images/vmware/core-image-caros-vmware.tar.gz", ""},
		{"ext4 vmw_pvscsi?", "ext4 xfs", `kernel 4.4.3 has no module "xfs"`, ""},
	} {
		more := map[string]string{}
		if tt.from == "KERNEL" { // its version differs from that of the modules
			more[images+"vmware/bzImage"] = "\x00Linux version 4.1.6-caros (oe-user@oe-host)\x00"
		}
		if tt.from == "" {
			zero := strings.Repeat("0", 8) // a cpio archive (newc) with nothing but its trailer
			more[images+"vmware/core-image-caros-vmware.tar.gz"] = "070701" + strings.Repeat(zero, 4) + "00000001" + strings.Repeat(zero, 6) + "0000000B" + zero + "TRAILER!!!\x00\x00\x00\x00"
		}
		_, err := composed(t, strings.Replace(deployDisk, tt.from, tt.to, 1), map[string]RootFS{"s": deployedStage(t, more)})
		var d *finding.ListError
		if !errors.As(err, &d) || len(d.Findings) != 1 {
			t.Errorf("%s: %v", tt.to, err)
			continue
		}
		if f := d.Findings[0]; !strings.Contains(f.Summary, tt.summary) || !strings.Contains(f.Hint, tt.hint) || f.Span.Line == 0 {
			t.Errorf("%s: got %+v", tt.to, f)
		}
	}
}

// TestAllMissing reports all kinds that are not deployed at once.
func TestAllMissing(t *testing.T) {
	stage := files(t, map[string]string{images + "vmware/README": "", images + "vmware/modules-vmware.tgz": "x"})
	text := strings.Replace(deployDisk, `<partition name="root"`, `<partition size="1M" from="deploy:u-boot"/><partition name="root"`, 1)
	_, err := composed(t, text, map[string]RootFS{"s": stage})
	var d *finding.ListError
	if !errors.As(err, &d) {
		t.Fatalf("got %v", err)
	}
	var got []string
	for _, f := range d.Findings {
		what, _, _ := strings.Cut(f.Summary, " is deployed")
		got = append(got, what)
		if f.Hint == "" || f.Span.Line == 0 {
			t.Errorf("no place or remedy: %+v", f)
		}
	}
	want := []string{"stage s: no kernel", "stage s: no systemd-boot", "stage s: no u-boot", "stage s: no root file system"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("findings (-want +got):\n%s", diff)
	}
}

// TestUnreadRoot: a root file system that cannot be read may have a kernel, so
// nothing is left out.
func TestUnreadRoot(t *testing.T) {
	stage := deployedStage(t, map[string]string{images + "vmware/core-image-caros-vmware.tar.gz": "\x1f\x8b\x08 and no more"})
	without := map[string]bool{images + "vmware/bzImage": true}
	stage = heldRoot{stage.tree.Drop(without)}
	text := strings.Replace(deployDisk, `<copy from="deploy:kernel" to="/vmlinuz"/>`, `<copy from="deploy:kernel" optional="yes" to="/vmlinuz"/>`, 1)
	text = strings.Replace(text, `path="deploy:rootfs"`, `path="/etc"`, 1)
	text = strings.Replace(text, `<initrd from="deploy:modules" optional="yes" to="/initrd.img" modules="ext4 vmw_pvscsi? nvme?"/>`, "", 1)
	if _, err := composed(t, text, map[string]RootFS{"s": heldRoot{stage.tree}}); err == nil || !strings.Contains(err.Error(), "core-image-caros-vmware.tar.gz") {
		t.Errorf("a damaged root file system: %v", err)
	}
}
