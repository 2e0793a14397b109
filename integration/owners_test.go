// SPDX-License-Identifier: MPL-2.0

//go:build integration

package integration

import (
	"archive/tar"
	"bufio"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// tarFiles are the files of an image, by path: what each is, on one line.
type tarFiles map[string]string

// archiveFiles are the files of the image in a docker archive.
func archiveFiles(t *testing.T, file string) tarFiles {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	members := map[string][]byte{}
	for r := tar.NewReader(f); ; {
		h, err := r.Next()
		if err == io.EOF {
			break
		}
		if err == nil {
			members[h.Name], err = io.ReadAll(r)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	var manifest []struct{ Layers []string }
	if err := json.Unmarshal(members["manifest.json"], &manifest); err != nil || len(manifest) != 1 {
		t.Fatalf("%d images: %v", len(manifest), err)
	}
	files := tarFiles{}
	for _, layer := range manifest[0].Layers {
		files.apply(t, members[layer])
	}
	return files
}

// apply puts a layer on top.
func (fs tarFiles) apply(t *testing.T, layer []byte) {
	t.Helper()
	var in io.Reader = bufio.NewReader(bytes.NewReader(layer))
	if bytes.HasPrefix(layer, []byte{0x1f, 0x8b}) {
		var err error
		if in, err = gzip.NewReader(in); err != nil {
			t.Fatal(err)
		}
	}
	added := tarFiles{}
	for r := tar.NewReader(in); ; {
		h, err := r.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		name := path.Clean("/" + h.Name)
		if base, gone := strings.CutPrefix(path.Base(name), ".wh."); gone {
			if base == ".wh..opq" {
				fs.remove(path.Dir(name), false)
			} else {
				fs.remove(path.Join(path.Dir(name), base), true)
			}
			continue
		}
		added[name] = describe(t, h, r)
	}
	for name, what := range added {
		if old, ok := fs[name]; ok && (old[0] == tar.TypeDir) != (what[0] == tar.TypeDir) {
			fs.remove(name, true)
		}
	}
	maps.Copy(fs, added)
}

// remove removes what is below a name and, with itself, the name.
func (fs tarFiles) remove(name string, itself bool) {
	for n := range fs {
		if itself && n == name || strings.HasPrefix(n, strings.TrimSuffix(name, "/")+"/") {
			delete(fs, n)
		}
	}
}

// describe says what a member is: type, mode, owner, device numbers, target of a link,
// extended attributes (capabilities among them) and a digest of the content.
func describe(t *testing.T, h *tar.Header, content io.Reader) string {
	t.Helper()
	sum := sha256.New()
	if _, err := io.Copy(sum, content); err != nil {
		t.Fatal(err)
	}
	kind := h.Typeflag
	if kind == 0 {
		kind = tar.TypeReg
	}
	line := fmt.Sprintf("%c %04o %d:%d %d,%d", kind, h.Mode&0o7777, h.Uid, h.Gid, h.Devmajor, h.Devminor)
	if h.Linkname != "" {
		line += " -> " + h.Linkname
	}
	for _, k := range slices.Sorted(maps.Keys(h.PAXRecords)) {
		if strings.HasPrefix(k, "SCHILY.xattr.") {
			line += fmt.Sprintf(" %s=%x", k[len("SCHILY.xattr."):], h.PAXRecords[k])
		}
	}
	if kind == tar.TypeReg {
		line += fmt.Sprintf(" %x", sum.Sum(nil)[:8])
	}
	return line
}

// without takes the digest off the files whose content is another one each time.
func (fs tarFiles) without(changing *regexp.Regexp) tarFiles {
	out := maps.Clone(fs)
	for name, line := range fs {
		if line[0] == tar.TypeReg && changing.MatchString(name) {
			out[name] = line[:strings.LastIndexByte(line, ' ')]
		}
	}
	return out
}

// unlike are the files that are not the same in two images.
func unlike(got, want tarFiles) string {
	var g, w []string
	for _, name := range slices.Sorted(maps.Keys(got)) {
		if got[name] != want[name] {
			g = append(g, name+" "+got[name])
		}
	}
	for _, name := range slices.Sorted(maps.Keys(want)) {
		if got[name] != want[name] {
			w = append(w, name+" "+want[name])
		}
	}
	return cmp.Diff(g, w)
}

// ownersOfBusybox gives files owners, modes and attributes in every way that needs no other
// program than busybox. What programs see is left in files. No hard link is changed in a later
// step: an overlay parts it from the other names, a copy does not.
const ownersOfBusybox = `
	<buildstage id="all"><prestage>base</prestage>
		<action>WORKDIR /srv</action>
		<action>RUN mkdir -p /etc /tmp; chmod 1777 /tmp; printf 'root:x:0:0::/:/bin/sh\nweb:x:33:44::/srv:/bin/sh\n' &gt;/etc/passwd; printf 'root:x:0:\nweb:x:44:\nlog:x:7:web\n' &gt;/etc/group</action>
		<action>RUN echo a &gt;a; chown 33:44 a; chmod 4750 a; ln a b; ln -s a c; cp -p a g; chown -h 5:6 c; mkfifo p; chown 7:8 p; mkdir d e; chown 9:10 e; chmod 2775 e; touch e/f d/gone</action>
		<action>RUN rm d/gone; rm -r d; mkdir d; chown web:log d; mv c d/c; chmod 600 p; chown 0:0 e/f</action>
		<action>RUN for n in 'c 1 3' 'c 0 0' 'b 8 0'; do mknod n $n; mknod a $n; mknod none/n $n; done &gt;refused 2&gt;&amp;1; ls &gt;&gt;refused</action>
		<action>RUN cp /bin/busybox /bin/su2; ln -s su2 /bin/su3; chmod 4755 /bin/busybox; su web -c 'id; touch /tmp/w; mkdir /tmp/d; ln -s x /tmp/l; mkfifo /tmp/p; chown 0 /tmp/w; chgrp log /tmp/w; chmod 2755 /tmp/w; umask 077; echo &gt;/tmp/d/u' &gt;seen 2&gt;&amp;1; stat -c '%n %u:%g %a %F' /tmp/* * &gt;&gt;seen; chroot / id &gt;&gt;seen</action>
		<action>USER 33:7</action>
		<action>RUN id &gt;/tmp/me; chown 33:7 /srv/g 2&gt;&gt;/tmp/me; true</action>
	</buildstage></redo>`

// Steps leave the same in a namespace with one id as in one with ranges of them.
func TestOwnersOfSandboxes(t *testing.T) {
	w := newWorld(t)
	w.file(t, "a.xml", "<redo>"+base(t)+ownersOfBusybox)
	var all []tarFiles
	for _, sandbox := range []string{"userns", "single-id"} {
		w.ok(t, program(t), "--progress=plain", "--sandbox", sandbox, "a.xml", "-B", "b")
		w.ok(t, program(t), "--sandbox", sandbox, "export", "b:all", "--to", "docker-archive:"+sandbox+".tar:x:1")
		all = append(all, archiveFiles(t, w.work+"/"+sandbox+".tar"))
	}
	if len(all[0]) < 250 {
		t.Fatalf("the image has just %d files", len(all[0]))
	}
	if diff := unlike(all[1], all[0]); diff != "" {
		t.Errorf("(-single-id +userns):\n%s", diff)
	}
}

// debianServers are packages whose scripts give files to many users and groups, make users,
// set-id files, capabilities and devices' rules.
const debianServers = "openssh-server postgresql systemd dbus iputils-ping sudo exim4 man-db cron polkitd cups apache2"

// changing are the files whose content is another one with each installation.
var changing = regexp.MustCompile(`^/(etc/(machine-id|ssh/ssh_host_.*|ssl/(certs|private)/ssl-cert-snakeoil\..*|shadow-?)|` +
	`var/(log/.*|cache/(apt/.*\.bin|ldconfig/aux-cache)|lib/(dbus/machine-id|postgresql/.*/(pg_control|pgstat\.stat|pg_wal/.*))))$`)

// installing is a declaration that installs packages.
func installing(attrs, packages string) string {
	return `<redo><buildstage id="base"><bootstrap suite="bookworm" variant="minbase" security-mirror="none"` + attrs + `/></buildstage>
		<buildstage id="all"><prestage>base</prestage><action>RUN apt-get update -q</action>
		<action>RUN DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends ` + packages + `</action></buildstage></redo>`
}

// ownersOfAccount are the files of a declaration's stage "all" as an account builds it.
func ownersOfAccount(t *testing.T, name, sandbox, declaration string) tarFiles {
	t.Helper()
	home := "/home/" + name
	if err := os.WriteFile(home+"/a.xml", []byte(declaration), 0o644); err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	script := fmt.Sprintf(`chown -R %[1]s %[2]s && install -m 755 %[3]s %[2]s/carosbuild && su - %[1]s -c '
		export SOURCE_DATE_EPOCH=%[4]s; set -e
		./carosbuild --progress=plain --sandbox=%[5]s a.xml -B b
		./carosbuild --sandbox=%[5]s export b:all --to docker-archive:all.tar:x:1'`, name, home, program(t), epoch, sandbox)
	if out, err := exec.CommandContext(t.Context(), "sh", "-c", script).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", sandbox, err, tailOf(string(out)))
	}
	t.Logf("%s: %v", sandbox, time.Since(start).Round(time.Second))
	defer os.Remove(home + "/all.tar")
	return archiveFiles(t, home+"/all.tar").without(changing)
}

// Servers of Debian, and some packages for a foreign machine, leave the same files in every
// sandbox. Make reach runs it, as root.
func TestReachOwners(t *testing.T) {
	needsRoot(t)
	if os.Getenv("CAROSBUILD_REACH") != "1" {
		t.Skip("make reach runs it")
	}
	ranges, single := fmt.Sprintf("cbranges%d", os.Getpid()%100000), fmt.Sprintf("cbone%d", os.Getpid()%100000)
	makeAccount(t, ranges, 3400000)
	makeAccount(t, single, 3500000)
	host(t, "usermod", "--del-subuids", "1-4294967294", "--del-subgids", "1-4294967294", single)
	for _, tt := range []struct {
		name, attrs, packages string
		few                   int
	}{
		{"amd64", "", debianServers, 20_000},
		{"armhf", ` arch="armhf"`, "openssh-server sudo iputils-ping cron man-db", 5_000},
	} {
		t.Run(tt.name, func(t *testing.T) {
			declaration := installing(tt.attrs, tt.packages)
			want := ownersOfAccount(t, ranges, "userns", declaration)
			if len(want) < tt.few {
				t.Fatalf("the image has just %d files", len(want))
			}
			if diff := unlike(ownersOfAccount(t, single, "single-id", declaration), want); diff != "" {
				t.Errorf("(-single-id +userns):\n%s", diff)
			}
			if tt.attrs != "" {
				return
			}
			got := ownersOfPod(t, declaration)
			if diff := unlike(got.inChroot(), want.inChroot()); diff != "" {
				t.Errorf("(-chroot +userns):\n%s", diff)
			}
		})
	}
}

// ownersOfPod are the files of the same stage in sandbox chroot of a default pod.
func ownersOfPod(t *testing.T, declaration string) tarFiles {
	t.Helper()
	p := newPod(t, "default")
	p.Env = append(p.Env, "SOURCE_DATE_EPOCH="+epoch)
	work := filepath.Join(p.dir, "work")
	if err := os.WriteFile(filepath.Join(work, "a.xml"), []byte(declaration), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{
		{"--progress=plain", "--sandbox=chroot", "a.xml", "-B", "b"},
		{"--sandbox=chroot", "export", "b:all", "--to", "docker-archive:all.tar:x:1"},
	} {
		if r := p.run(t, args...); r.status != 0 {
			t.Fatalf("chroot, exit status %d:\n%s%s", r.status, tailOf(r.stdout), tailOf(r.stderr))
		}
	}
	return archiveFiles(t, filepath.Join(work, "all.tar")).without(changing)
}

// What sandbox chroot does not have: without /proc, systemd-tmpfiles makes nothing; and the
// name of the machine is the container's, which is in files and in a certificate's hash.
var (
	ofTmpfiles = regexp.MustCompile(`^/(etc/mtab|root/\.ssh|run/.+|var/(cache|lib|log)/private|var/lib/systemd/(coredump|pstore)|var/log/(README|journal))$`)
	ofHostName = regexp.MustCompile(`^/(etc/mailname|etc/exim4/update-exim4\.conf\.conf|var/lib/exim4/config\.autogenerated|var/cache/debconf/config\.dat(-old)?)$`)
	ofHash     = regexp.MustCompile(`^/etc/ssl/certs/[0-9a-f]{8}\.0$`)
)

// inChroot leaves that out.
func (fs tarFiles) inChroot() tarFiles {
	out := fs.without(ofHostName)
	maps.DeleteFunc(out, func(name, line string) bool {
		return ofTmpfiles.MatchString(name) || ofHash.MatchString(name) && strings.HasSuffix(line, "-> ssl-cert-snakeoil.pem")
	})
	return out
}
