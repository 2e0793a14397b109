// SPDX-License-Identifier: MPL-2.0

package qemu

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// archive is a cpio archive of empty files, compressed by a program if one is
// named.
func archive(t *testing.T, pack string, names ...string) []byte {
	t.Helper()
	dir := t.TempDir()
	for _, n := range names {
		path := filepath.Join(dir, n)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte("odd"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.CommandContext(t.Context(), tool(t, "cpio"), "--quiet", "-o", "-H", "newc")
	cmd.Dir, cmd.Stdin = dir, strings.NewReader(strings.Join(names, "\n")+"\n")
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	if pack == "" {
		return out
	}
	cmd = exec.CommandContext(t.Context(), tool(t, pack), "-c")
	cmd.Stdin = bytes.NewReader(out)
	if out, err = cmd.Output(); err != nil {
		t.Fatal(err)
	}
	return out
}

func TestInitrdDrivers(t *testing.T) {
	const at = "usr/lib/modules/6.1/kernel/drivers/"
	microcode := archive(t, "", "kernel/x86/microcode/GenuineIntel.bin")
	some := []string{at + "block/virtio_blk.ko", at + "scsi/vmw_pvscsi.ko.xz", at + "net/e1000.ko", at + "ahci"}
	for name, b := range map[string][]byte{
		"plain": archive(t, "", some...), "gzip": archive(t, "gzip", some...), "zstd": archive(t, "zstd", some...), "xz": archive(t, "xz", some...),
		"behind microcode": append(slices.Clone(microcode), archive(t, "gzip", some...)...),
	} {
		got := initrdDrivers(bytes.NewReader(b))
		slices.Sort(got)
		if want := []string{"virtio_blk", "vmw_pvscsi"}; !slices.Equal(got, want) {
			t.Errorf("%s: got %v, want %v", name, got, want)
		}
		for _, cut := range []int{1, 50, len(b) / 2, len(b) - 1} {
			initrdDrivers(bytes.NewReader(b[:cut])) // must not panic
		}
	}
}

func TestBusOfDrivers(t *testing.T) {
	pc := Facts{Size: 1 << 30, BIOS: true, EFI: []string{"x64"}}
	arm := Facts{Size: 1 << 30, EFI: []string{"aa64"}}
	for _, c := range []struct {
		facts   Facts
		drivers string
		o       Options
		want    string
	}{
		{pc, "", Options{}, "ahci"},
		{pc, "ahci virtio_blk", Options{}, "ahci"},
		{pc, "virtio_blk", Options{}, "virtio"},
		{pc, "virtio_blk", Options{Bus: "ahci"}, "ahci"},
		{pc, "vmw_pvscsi", Options{}, "pvscsi"},
		{pc, "vmw_pvscsi", Options{Firmware: "efi"}, "ahci"},
		{pc, "nvme vmw_pvscsi", Options{Firmware: "efi"}, "nvme"},
		{arm, "", Options{}, "virtio"},
		{arm, "nvme", Options{}, "nvme"},
	} {
		c.facts.Drivers = strings.Fields(c.drivers)
		m, err := Plan(c.facts, c.o)
		if err != nil || m.Bus != c.want {
			t.Errorf("drivers %q, options %+v: bus %q, %v; want %q", c.drivers, c.o, m.Bus, err, c.want)
		}
	}
}

func TestForwardsAndKey(t *testing.T) {
	o := Options{Forwards: []Forward{{8080, 80}, {2222, 22}}, Key: "ssh-ed25519 AAAA a,b"}
	for _, f := range []Facts{{Size: 1 << 30, BIOS: true}, {Size: 1 << 30, EFI: []string{"aa64"}}} {
		m, err := Plan(f, o)
		if err != nil {
			t.Fatal(err)
		}
		args := strings.Join(m.Arguments([]string{"o"}, "v", TCG, false), " ")
		for _, want := range []string{
			"-netdev user,hostfwd=tcp:127.0.0.1:8080-:80,hostfwd=tcp:127.0.0.1:2222-:22,id=n0 ",
			"-smbios type=11,value=io.systemd.credential:ssh.authorized_keys.root=ssh-ed25519 AAAA a,,b ",
		} {
			if !strings.Contains(args, want) {
				t.Errorf("the arguments lack %q: %s", want, args)
			}
		}
	}
	board := Facts{Size: 1 << 30, Board: "sun8i-h3-nanopi-neo"}
	if _, err := Plan(board, o); err == nil || !strings.Contains(err.Error(), "SMBIOS") {
		t.Errorf("a key for a board: %v", err)
	}
	o.Key = ""
	m, err := Plan(board, o)
	if args := strings.Join(m.args, " "); err != nil || !strings.Contains(args, "-nic user,hostfwd=tcp:127.0.0.1:8080-:80,") {
		t.Errorf("forwards of a board: %v, %s", err, args)
	}
}

// TestCheckKey checks root file systems made by mke2fs.
func TestCheckKey(t *testing.T) {
	const systemd, conf, sshd, keys = "usr/lib/systemd/systemd", provision, "usr/sbin/sshd", "root/.ssh/authorized_keys"
	for _, c := range []struct {
		files []string
		want  string
	}{
		{[]string{systemd, conf, sshd}, ""},
		{[]string{systemd, sshd}, "version 252 or later"},
		{[]string{systemd, conf}, "no ssh server"},
		{[]string{systemd, conf, sshd, keys}, "use one of its keys"},
		{[]string{"etc/hostname"}, ""}, // nothing is known
	} {
		dir := t.TempDir()
		root, part, disk := filepath.Join(dir, "root"), filepath.Join(dir, "part"), filepath.Join(dir, "disk")
		for _, name := range c.files {
			if err := os.MkdirAll(filepath.Dir(filepath.Join(root, name)), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(root, name), []byte("f^ /root/.ssh/authorized_keys - - - - ssh.authorized_keys.root\n"), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		run(t, "mke2fs", "-q", "-t", "ext4", "-d", root, part, "16M")
		b := make([]byte, 32<<20)
		fs, err := os.ReadFile(part)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(disk, b, 0o600); err != nil {
			t.Fatal(err)
		}
		cmd := exec.CommandContext(t.Context(), tool(t, "sfdisk"), "-q", disk)
		cmd.Stdin = strings.NewReader(fmt.Sprintf("label: gpt\nstart=2048, size=%d, type=L\n", len(fs)/512))
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("sfdisk: %v\n%s", err, out)
		}
		if b, err = os.ReadFile(disk); err != nil {
			t.Fatal(err)
		}
		copy(b[1<<20:], fs)
		err = CheckKey(bytes.NewReader(b), int64(len(b)))
		if (c.want == "") != (err == nil) || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v: got %v, want %q", c.files, err, c.want)
		}
	}
}
