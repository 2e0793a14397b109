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
)

// diskOfAll is a disk whose parts come from several stages; GRUB's tool is
// stood in for by a script, for the stage has busybox only.
func diskOfAll(t *testing.T, w *world) string {
	t.Helper()
	core := filepath.Join(w.work, "core.img")
	w.ok(t, tool(t, "grub-mkimage"), "-O", "i386-pc", "-p", "/grub", "-o", core, "part_gpt", "fat", "biosdisk")
	w.file(t, "grub-mkimage", "#!/bin/sh\ncp /core.img /usr/lib/carosbuild/core.img\n")
	return "<redo>" + base(t) + `
		<buildstage id="tools"><prestage>base</prestage>
			<action>ADD core.img /core.img</action>
			<action>ADD /usr/lib/grub/i386-pc/boot.img /usr/lib/grub/i386-pc/boot.img</action>
			<action>ADD --chmod=755 grub-mkimage /bin/grub-mkimage</action>
			<action>RUN echo from tools > /tools.txt</action>
		</buildstage>
		<buildstage id="lower"><prestage>base</prestage>
			<action><![CDATA[RUN mkdir -p /srv/old /srv/opaque /etc; echo a > /srv/a; chown 33:44 /srv/a; chmod 4750 /srv/a; ln /srv/a /srv/b; ln /srv/a /srv/z
				echo gone > /srv/old/gone; echo x > /srv/opaque/x; mkfifo /srv/p; echo host > /etc/hostname; chmod 1777 /srv/old
				dd if=/dev/urandom of=/srv/big bs=1000 count=700 2>/dev/null; dd if=/dev/zero of=/srv/zeros bs=1M count=8 2>/dev/null
				dd if=/srv/big of=/srv/zeros bs=1000 count=3 seek=3000 conv=notrunc 2>/dev/null]]></action>
		</buildstage>
		<buildstage id="release"><prestage>lower</prestage>
			<action><![CDATA[RUN rm /srv/old/gone; rm -r /srv/opaque; mkdir /srv/opaque; echo y > /srv/opaque/y; echo changed >> /srv/b; ln -s ../../etc /srv/up
				rm -r /srv/old; echo file > /srv/old; touch -d @1 /srv/p; mv /etc/hostname /etc/name]]></action>
			<action>RUN chmod 700 /srv; mkdir -p "/srv/ü/$(printf 'new\nline')"; ln /srv/z /srv/ü/z</action>
		</buildstage>
		<disk id="d" stage="release" table="gpt" size="96M">
			<bios stage="tools"/>
			<partition name="esp" type="esp" fs="fat32" label="BOOT" size="40M">
				<copy stage="tools" from="/tools.txt" to="/tools.txt"/>
				<file to="/hello.txt">hello</file>
				<loader title="x" initrd=""/>
			</partition>
			<partition name="root" fs="ext4" label="ROOT" size="rest" path="/"/>
		</disk>
	</redo>`
}

func sha256Of(t *testing.T, file string) string {
	t.Helper()
	f, err := os.Open(file)
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

// The same stage gives the same disk by a build, from the store, from an OCI
// layout, from a docker archive and from a registry; from the last three also
// for somebody who can make no user namespace with subordinate ids.
func TestDiskFromAnywhere(t *testing.T) {
	w := newWorld(t)
	w.file(t, "a.xml", diskOfAll(t, w))
	w.build(t, "a.xml", "-B", "b1", "--out", "d.raw", "--out", "d.vmdk")
	want, wantVMDK := sha256Of(t, filepath.Join(w.work, "d.raw")), sha256Of(t, filepath.Join(w.work, "d.vmdk"))
	w.ok(t, tool(t, "e2fsck"), "-fn", partition(t, w, filepath.Join(w.work, "d.raw"), "root"))

	shared := t.TempDir()
	openDir(t, shared)
	registry := startRegistry(t, w)
	for _, s := range []string{"release", "tools", "d.bios"} {
		w.ok(t, program(t), "export", "b1:"+s, "--to", "oci:"+shared+"/layout:"+s)
		w.ok(t, program(t), "export", "b1:"+s, "--to", "docker-archive:"+shared+"/"+s+".tar")
		w.ok(t, program(t), "push", "b1:"+s, registry+"/caros/"+strings.ToLower(s)+":1", "--compression", "zstd")
	}
	ways := []struct {
		name string
		at   func(stage string) string
	}{
		{"layout", func(s string) string { return "oci:" + shared + "/layout:" + s }},
		{"archive", func(s string) string { return "docker-archive:" + shared + "/" + s + ".tar" }},
		{"registry", func(s string) string { return registry + "/caros/" + s + ":1" }},
	}
	declaration, err := os.ReadFile(filepath.Join(w.work, "a.xml"))
	if err == nil {
		err = os.WriteFile(filepath.Join(shared, "a.xml"), declaration, 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
	disk := func(at func(string) string, out string) []string {
		return []string{
			"disk", at("release"), "--declaration", shared + "/a.xml", "--out", out + "/d.raw", "--out", out + "/d.vmdk",
			"--stage", "tools=" + at("tools"), "--stage", "d.bios=" + at("d.bios"),
		}
	}
	check := func(what, out string) {
		t.Helper()
		for name, want := range map[string]string{"d.raw": want, "d.vmdk": wantVMDK} { // a VMDK knows its name
			if sha256Of(t, filepath.Join(out, name)) != want {
				t.Errorf("%s: %s differs from the built one", what, name)
			}
		}
	}
	for _, args := range [][]string{{"b1:release"}, {"b1"}, {"localhost/carosbuild/b1:release", "--stage", "tools=b1:tools", "--stage", "d.bios=" + ways[0].at("d.bios")}} {
		out := t.TempDir()
		w.ok(t, program(t), append(append([]string{"disk"}, args...), "-d", "a.xml", "-o", out+"/d.raw", "-o", out+"/d.vmdk")...)
		check("from the store, "+args[0], out)
	}
	var sizes []int64
	for _, level := range []string{"1", "9"} {
		out := filepath.Join(t.TempDir(), "d.img.gz")
		w.ok(t, program(t), "disk", "b1:release", "-d", "a.xml", "-o", out, "--compression-level", level)
		st, err := os.Stat(out)
		if err != nil {
			t.Fatal(err)
		}
		sizes = append(sizes, st.Size())
	}
	if sizes[1] >= sizes[0] {
		t.Errorf("level 1 makes %d bytes, and level 9 %d", sizes[0], sizes[1])
	}
	for _, way := range ways {
		other := newWorld(t)
		for _, time := range []string{"fetched", "cached"} {
			out := t.TempDir()
			r := other.ok(t, program(t), disk(way.at, out)...)
			if r.stdout != out+"/d.raw\n"+out+"/d.vmdk\n" {
				t.Errorf("%s: it said %q", way.name, r.stdout)
			}
			check(way.name+", "+time, out)
		}
		if entries, err := os.ReadDir(other.dir + "/home/.local/share"); err == nil {
			t.Errorf("%s: a store was made: %v", way.name, entries)
		}
	}
	t.Run("restricted", func(t *testing.T) {
		home := t.TempDir()
		openDir(t, home)
		run := restricted(t, w, home)
		for _, way := range ways {
			out := filepath.Join(home, way.name)
			if err := os.Mkdir(out, 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.Chown(out, account(), account()); err != nil {
				t.Fatal(err)
			}
			cmd := run(disk(way.at, out)...)
			if text, err := cmd.CombinedOutput(); err != nil {
				t.Fatalf("%s: %v\n%s", way.name, err, text)
			}
			check(way.name+", restricted", out)
		}
		// The same account cannot build in the sandbox that the disks above would need.
		cmd := run("build", shared+"/a.xml", "--target", "base", "--sandbox", "userns")
		if text, err := cmd.CombinedOutput(); err == nil || cmd.ProcessState.ExitCode() != 4 {
			t.Errorf("a build: %v\n%s", err, text)
		}
	})
}

// openDir lets other accounts into a temporary directory.
func openDir(t *testing.T, dir string) {
	t.Helper()
	for _, d := range []string{dir, filepath.Dir(dir)} {
		if err := os.Chmod(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
}

// account is whom restricted commands run as: for the superuser somebody who
// is in no file, as in a cluster's pod.
func account() int {
	if os.Getuid() == 0 {
		return 54321
	}
	return os.Getuid()
}

// restricted makes commands of an account that has no subordinate ids, no
// newuidmap, no capabilities, and no way to gain any.
func restricted(t *testing.T, w *world, home string) func(args ...string) *exec.Cmd {
	t.Helper()
	setpriv := tool(t, "setpriv")
	drop := []string{"--no-new-privs", "--inh-caps=-all"}
	if os.Getuid() == 0 {
		drop = append(drop, "--reuid="+strconv.Itoa(account()), "--regid="+strconv.Itoa(account()), "--clear-groups", "--bounding-set=-all")
		if err := os.Chown(home, account(), account()); err != nil {
			t.Fatal(err)
		}
	}
	copied := filepath.Join(home, "carosbuild") // where that account can read it
	data, err := os.ReadFile(program(t))
	if err == nil {
		err = os.WriteFile(copied, data, 0o755)
	}
	if err != nil {
		t.Fatal(err)
	}
	return func(args ...string) *exec.Cmd {
		cmd := w.command(t.Context(), setpriv, append(append(drop, copied), args...)...)
		cmd.Dir, cmd.Env = home, []string{"HOME=" + home, "PATH=/nonexistent"}
		return cmd
	}
}
