// SPDX-License-Identifier: MPL-2.0

package compose

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/carosio/carosbuild/pkg/decl"
	"github.com/carosio/carosbuild/pkg/decl/decltest"
	"github.com/carosio/carosbuild/pkg/disk/ext4"
	"github.com/carosio/carosbuild/pkg/disk/tree"
	"github.com/carosio/carosbuild/pkg/progress"
)

// lived is a system on which packages were installed, with the files that this
// leaves.
func lived(t *testing.T, more map[string]string) heldRoot {
	content := map[string]string{
		"etc/hostname": "stage\n", "usr/bin/env": "x", "etc/passwd": "root", "var/cache/man/index.db": "x", "var/log/journal/keep": "",
	}
	for _, f := range strings.Fields(own1 + own2 + own3) {
		content[f] = "of the build\n"
	}
	for f, c := range more {
		content[f] = c
	}
	return files(t, content)
}

const (
	own1 = `etc/ssh/ssh_host_rsa_key etc/ssh/ssh_host_rsa_key.pub etc/ssh/ssh_host_ed25519_key etc/machine-id var/lib/dbus/machine-id
		var/lib/systemd/random-seed var/lib/systemd/credential.secret etc/ssl/private/ssl-cert-snakeoil.key etc/ssl/certs/ssl-cert-snakeoil.pem `
	own2 = `var/log/dpkg.log var/log/apt/history.log `
	own3 = `var/lib/apt/lists/partial/x var/cache/apt/pkgcache.bin var/cache/apt/archives/a.deb var/lib/dpkg/status-old tmp/x var/tmp/.x
		etc/shadow- etc/.pwd.lock usr/lib/python3/__pycache__/a.pyc`
)

// diskOf composes a disk with one ext4 file system, and returns its files and the
// notes.
func diskOf(t *testing.T, inside string, root RootFS) (map[string]string, []string) {
	t.Helper()
	d := decltest.Parse(t, `<disk id="d">`+inside+`</disk>`)
	d.Disks[0].Stage = "s"
	epoch := int64(1700000000)
	var notes []string
	e := &Composer{Epoch: &epoch, Jobs: 2, CacheDir: t.TempDir(), Now: time.Now, Events: func(ev progress.Event) {
		if ev.Kind == progress.Note {
			notes = append(notes, ev.Text)
		}
	}}
	images, release, err := e.Compose(t.Context(), d.Disks, map[string]RootFS{"s": root})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := release(); err != nil {
			t.Error(err)
		}
	})
	r, _ := part(images[0], 0)
	fs, err := ext4.Open(r, r.Size())
	if err != nil {
		t.Fatal(err)
	}
	tr, err := fs.Tree()
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for i := range tr.Entries {
		if tr.Entries[i].Type() == tree.Regular {
			out[tr.Entries[i].Path] = textOf(&tr.Entries[i])
		}
	}
	return out, notes
}

const rootPartition = `<partition name="root" fs="ext4" size="fit+8M" path="/"/>`

// Files that each machine makes for itself are not on a generalized disk, except
// for those that except names.
func TestGeneralize(t *testing.T) {
	unit := map[string]string{"etc/systemd/system/keys.service": "ExecStart=/usr/bin/ssh-keygen -A\n", "usr/lib/systemd/system/cert.service": "ExecStart=/usr/sbin/make-ssl-cert x\n"}
	got, notes := diskOf(t, `<generalize/>`+rootPartition, lived(t, unit))
	for _, f := range strings.Fields(own1 + own2 + own3) {
		if text, ok := got[f]; ok && f != "etc/machine-id" {
			t.Errorf("/%s is on the disk: %q", f, text)
		}
	}
	if text, ok := got["etc/machine-id"]; !ok || text != "" {
		t.Errorf("/etc/machine-id is there: %v, %q", ok, text)
	}
	if got["etc/passwd"] != "root" || len(notes) != 0 {
		t.Errorf("files %v, notes %q", got, notes)
	}
	got, _ = diskOf(t, `<generalize except="logs machine-id /etc/ssh/ssh_host_ed25519_key* /var/tmp"/>`+rootPartition, lived(t, unit))
	for f, want := range map[string]bool{
		"var/log/dpkg.log": true, "var/lib/dbus/machine-id": true, "etc/ssh/ssh_host_ed25519_key": true, "var/tmp/.x": true,
		"etc/ssh/ssh_host_rsa_key": false, "tmp/x": false, "etc/shadow-": false,
	} {
		if _, ok := got[f]; ok != want {
			t.Errorf("/%s is on the disk: %v, want %v", f, ok, want)
		}
	}
	if got["etc/machine-id"] == "" {
		t.Error("the machine's id is empty, though it was to stay")
	}
}

// For a disk that is not generalized, a note names the files that its machines
// would share.
func TestOwnFilesAreNoted(t *testing.T) {
	_, notes := diskOf(t, rootPartition, lived(t, nil))
	const left = "<generalize/> in the <disk> leaves them out, or "
	want := []string{
		"disk d: stage s has host keys of ssh, which every machine made of this disk would share: /etc/ssh/ssh_host_ed25519_key, /etc/ssh/ssh_host_rsa_key, /etc/ssh/ssh_host_rsa_key.pub. " + left + "RUN rm -f /etc/ssh/ssh_host_* in the stage",
		"disk d: stage s has the machine's id, which every machine made of this disk would share: /etc/machine-id, /var/lib/dbus/machine-id. " + left + "RUN rm -f /var/lib/dbus/machine-id; : >/etc/machine-id in the stage",
		"disk d: stage s has seeds and secrets of the machine, which every machine made of this disk would share: /var/lib/systemd/credential.secret, /var/lib/systemd/random-seed. " + left + "RUN rm -f /var/lib/systemd/credential.secret /var/lib/systemd/random-seed in the stage",
		"disk d: stage s has a certificate with its key, which every machine made of this disk would share: /etc/ssl/certs/ssl-cert-snakeoil.pem, /etc/ssl/private/ssl-cert-snakeoil.key. " + left + "RUN rm -f /etc/ssl/certs/ssl-cert-snakeoil.pem /etc/ssl/private/ssl-cert-snakeoil.key in the stage",
	}
	if d := cmp.Diff(want, notes); d != "" {
		t.Errorf("notes (-want +got):\n%s", d)
	}
	_, notes = diskOf(t, rootPartition, files(t, map[string]string{"etc/machine-id": "uninitialized\n", "etc/ssh/sshd_config": "x"}))
	if len(notes) != 0 {
		t.Errorf("notes of a disk that shares nothing: %q", notes)
	}
	_, notes = diskOf(t, `<generalize except="certificates"/>`+rootPartition, lived(t, nil))
	if len(notes) != 1 || !strings.Contains(notes[0], "leaves out host keys of ssh") || !strings.Contains(notes[0], "ssh-keygen -A") {
		t.Errorf("notes of a disk that makes no host keys: %q", notes)
	}
}

// A partition that is meant to grow needs something that grows it.
func TestGrowIsChecked(t *testing.T) {
	grow := strings.Replace(rootPartition, "path=", `grow="yes" path=`, 1)
	for name, tt := range map[string]struct {
		files map[string]string
		warns bool
	}{
		"nothing":          {map[string]string{"usr/lib/systemd/system/systemd-repart.service": "ExecStart=systemd-repart"}, true},
		"systemd-repart":   {map[string]string{"etc/repart.d/50-root.conf": "[Partition]"}, false},
		"growpart":         {map[string]string{"etc/rc.local": "growpart /dev/sda 1"}, false},
		"a unit's script":  {map[string]string{"etc/systemd/system/g.service": "[Service]\nExecStart=/bin/sh /usr/lib/g\n", "usr/lib/g": "sfdisk x"}, false},
		"a script of none": {map[string]string{"usr/lib/g": "sfdisk x"}, true},
	} {
		_, notes := diskOf(t, grow, files(t, tt.files))
		warned := slices.ContainsFunc(notes, func(n string) bool {
			return strings.HasPrefix(n, `disk d: warning: partition root has grow="yes", but nothing in stage s grows it`)
		})
		if warned != tt.warns {
			t.Errorf("%s: warned %v, want %v: %q", name, warned, tt.warns, notes)
		}
	}
}

// The manual, the grammar and the code know the same kinds.
func TestGeneralizedKinds(t *testing.T) {
	var kinds []string
	for _, o := range owns {
		kinds = append(kinds, o.kind)
	}
	if d := cmp.Diff(decl.Generalized, kinds); d != "" {
		t.Errorf("kinds (-grammar +done):\n%s", d)
	}
}
